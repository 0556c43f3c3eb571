// Reinhard's stain normalisation as OpenCV computes it for bytes: in whole numbers, with tables.
import {clip, picture, round} from './pixels.js'

const ONE = 2**12, FINE = 2**15, BASE = 2**14 // units of the matrices, of RGB to Lab, and of Lab to RGB
const WHITE = [.950456, 1, 1.088754]
const TO_XYZ = [[.412453, .357580, .180423], [.212671, .715160, .072169], [.019334, .119193, .950227]]
const TO_RGB = [[3.240479, -1.53715, -.498535], [-.969256, 1.875991, .041556], [.055648, -.204043, 1.057311]]
const toXyz = TO_XYZ.map((row, i) => row.map(v => round(ONE*v/WHITE[i])))
const toRgb = TO_RGB.map(row => row.map((v, j) => round(ONE*v*WHITE[j])))
const table = (n, f) => Int32Array.from({length: n}, (_, i) => f(i))

// sRGB's curve and its inverse; the cube root of Lab, which OpenCV rounds to single precision before it rounds to whole numbers.
const f = Math.fround
const linear = v => v <= .04045 ? v/12.92 : ((v + .055)/1.055)**2.4
const curved = v => v <= .0031308 ? 12.92*v : 1.055*v**(1/2.4) - .055
const root = v => v < 216/24389 ? v*841/108 + 16/116 : Math.cbrt(v)
const LINEAR = table(256, i => round(255*8*linear(i/255))), ROOT = table(3072, i => round(f(FINE*root(i/(255*8)))))
const CURVED = table(ONE, i => round(255*curved(i/ONE)))

// For each byte of L: its cube root and itself; for each cube root, from LEAST on, its cube.
const LEAST = -8145
const ROOT_OF_L = table(256, i => round(BASE*(i <= 20 ? 16/116 + i*5/(3*17*29) : i*100/(255*116) + 16/116)))
const Y_OF_L = table(256, i => round(BASE*(i <= 20 ? i*20*9/(17*29**3) : (i*100/(255*116) + 16/116)**3)))
const whole = Math.trunc
const CUBE = table(BASE*9/4, k => {
  const i = k + LEAST
  return i <= 3390 ? whole(i*108/841) - whole(whole(whole(BASE*16/116)*108)/841) : whole(whole(i*i/BASE)*i/BASE)
})

export function toLab({data}) {
  const out = new Uint8Array(data.length), last = FINE/2
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [LINEAR[data[i]], LINEAR[data[i + 1]], LINEAR[data[i + 2]]]
    const [x, y, z] = toXyz.map(c => ROOT[(r*c[0] + g*c[1] + b*c[2] + ONE/2) >> 12])
    out[i] = clip((296*y - whole((16*255*FINE + 50)/100) + last) >> 15, 0, 255)
    out[i + 1] = clip((500*(x - y) + 128*FINE + last) >> 15, 0, 255)
    out[i + 2] = clip((200*(y - z) + 128*FINE + last) >> 15, 0, 255)
  }
  return out
}

export function toRgbBytes(lab) {
  const out = new Uint8Array(lab.length)
  for (let i = 0; i < lab.length; i += 3) {
    const fy = ROOT_OF_L[lab[i]], y = Y_OF_L[lab[i]]
    const x = CUBE[fy + ((5*lab[i + 1]*53687 + 128) >> 13) - whole(128*BASE/500) - LEAST]
    const z = CUBE[fy - (((lab[i + 2]*41943 + 16) >> 9) - whole(128*BASE/200) + 1) - LEAST]
    toRgb.forEach((c, k) => { out[i + k] = CURVED[clip((c[0]*x + c[1]*y + c[2]*z + 2**13) >> 14, 0, ONE - 1)] })
  }
  return out
}

// Mean and standard deviation of one channel, summed as `data.preprocess` does: in single precision where there are not many pixels.
function moments(lab, channel) {
  const n = lab.length/3, kept = n < 2**19 ? f : v => v
  let sum = 0, squares = 0
  for (let i = channel; i < lab.length; i += 3) sum = kept(sum + lab[i])
  const mean = f(sum/n)
  for (let i = channel; i < lab.length; i += 3) squares = kept(squares + f(f(lab[i] - mean)**2))
  return [mean, f(Math.sqrt(f(squares/n)))]
}

export function reinhard(image, {mean, std}) {
  const lab = toLab(image), out = picture(image.width, image.height)
  for (let c = 0; c < 3; c++) {
    const [own, spread] = moments(lab, c)
    const moved = table(256, v => whole(clip(f(f(v - own)/Math.max(spread, 1))*std[c] + mean[c], 0, 255)))
    for (let i = c; i < lab.length; i += 3) lab[i] = moved[lab[i]]
  }
  out.data = toRgbBytes(lab)
  return out
}
