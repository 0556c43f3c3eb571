// Where the nucleus lies, found as in blood_cell_cancer.data.preprocess. A plane is one byte a pixel: {width, height, data}.
import {clip, picture, round} from './pixels.js'

// How much green light is missing, slightly blurred.
export function greenDensity({width, height, data}) {
  const plane = new Uint8Array(width*height)
  for (let i = 0; i < plane.length; i++) plane[i] = 255 - data[3*i + 1]
  return blurred({width, height, data: plane})
}

// OpenCV's Gaussian kernel in 256ths; the rounding error of each weight goes on to the next.
function kernel(sigma) {
  const n = round(6*sigma + 1) | 1, half = (n - 1)/2, bell = Array.from({length: half}, (_, i) => Math.exp(-((i - half)**2)/(2*sigma**2)))
  const sum = 2*bell.reduce((a, b) => a + b, 0) + 1
  let error = 0
  const side = bell.map(v => {
    const exact = 256*v/sum + error, weight = round(exact)
    error = exact - weight
    return weight
  })
  return [...side, 256 - 2*side.reduce((a, b) => a + b, 0), ...side.toReversed()]
}

const mirrored = (i, n) => n === 1 ? 0 : (i = Math.abs(i) % (2*n - 2), i < n ? i : 2*n - 2 - i)

// Add one part of a weighted sum to each pixel of a line: the line shifted, times a weight.
function addTo(sums, weight, line, from) {
  if (weight) for (let x = 0; x < sums.length; x++) sums[x] += weight*line[from + x]
}

export function blurred({width, height, data}) {
  const weights = kernel(Math.max(width, height)/100), half = (weights.length - 1)/2
  const rows = new Uint16Array(width*height), out = new Uint8Array(width*height), sums = new Uint32Array(width), line = new Uint16Array(width + 2*half)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < line.length; x++) line[x] = data[y*width + mirrored(x - half, width)]
    sums.fill(0)
    weights.forEach((weight, k) => addTo(sums, weight, line, k))
    rows.set(sums, y*width)
  }
  for (let y = 0; y < height; y++) {
    sums.fill(2**15) // rounds what is shifted
    weights.forEach((weight, k) => addTo(sums, weight, rows, mirrored(y + k - half, height)*width))
    for (let x = 0; x < width; x++) out[y*width + x] = sums[x] >>> 16
  }
  return {width, height, data: out}
}

// The threshold that separates the values best, for a histogram of 256 counts.
function otsu(histogram) {
  const n = histogram.reduce((a, b) => a + b, 0), tiny = 2**-23
  let mean = 0, low = 0, below = 0, best = 0, threshold = 0
  histogram.forEach((count, i) => { mean += i*count/n })
  histogram.forEach((count, i) => {
    const share = count/n, before = low*below
    below += share
    const above = 1 - below
    if (Math.min(below, above) < tiny || Math.max(below, above) > 1 - tiny) { low = before; return }
    low = (before + i*share)/below
    const high = (mean - below*low)/above, spread = below*above*(low - high)**2
    if (spread > best) [best, threshold] = [spread, i]
  })
  return threshold
}

// 1 in nuclei: Otsu's threshold, and a second one within the cells that it finds.
export function nucleusMask({width, height, data}) {
  const histogram = new Array(256).fill(0)
  for (const v of data) histogram[v]++
  const cells = otsu(histogram), among = histogram.map((count, i) => i > cells ? count : 0), out = new Uint8Array(data.length)
  if (!among.some(count => count)) return {width, height, data: out}
  const nuclei = otsu(among)
  for (let i = 0; i < data.length; i++) out[i] = data[i] > nuclei
  return {width, height, data: out}
}

// Connected parts of a mask (also by corners), in the order of their first pixel, and for each pixel the number of its part, from 1.
export function components({width, height, data}) {
  const part = new Int32Array(data.length), found = []
  for (let start = 0; start < data.length; start++) {
    if (!data[start] || part[start]) continue
    const c = {area: 0, left: width, top: height, right: 0, bottom: 0, x: 0, y: 0}, waiting = [start]
    part[start] = found.push(c)
    while (waiting.length) {
      const i = waiting.pop(), x = i % width, y = (i - x)/width
      c.area++
      c.x += x
      c.y += y
      c.left = Math.min(c.left, x)
      c.right = Math.max(c.right, x + 1)
      c.top = Math.min(c.top, y)
      c.bottom = Math.max(c.bottom, y + 1)
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
        const j = v*width + u
        if (data[j] && !part[j]) { part[j] = part[start]; waiting.push(j) }
      }
    }
    c.x /= c.area
    c.y /= c.area
  }
  return {found, part}
}

// Middle and width of the nucleus near the centre; null where nothing absorbs green light.
export function centralNucleus(image) {
  const {width, height} = image, {found} = components(nucleusMask(greenDensity(image)))
  if (!found.length) return null
  let x = 0, y = 0, sum = 0, area = 0
  for (const c of found) {
    const near = Math.exp(-((c.x - width/2)**2 + (c.y - height/2)**2)/(2*(Math.min(width, height)/5)**2))
    x += c.x*c.area*near
    y += c.y*c.area*near
    sum += c.area*near
    if (near > .3) area += c.area
  }
  return sum ? {x: x/sum, y: y/sum, width: Math.sqrt(area)} : null // null: beyond reach, in a picture that is a strip
}

// A square around the nucleus, `reach` times as wide; beyond the edge its pixels are repeated.
export function cropCell(image, {reach}) {
  const {width, height, data} = image, nucleus = centralNucleus(image), side = Math.min(width, height)
  if (!nucleus) return image
  const half = Math.max(1, Math.trunc(reach*clip(nucleus.width, side*.3/3.2, side/3.2)/2)), out = picture(2*half, 2*half)
  const left = round(nucleus.x) - half, top = round(nucleus.y) - half
  for (let y = 0, j = 0; y < 2*half; y++) for (let x = 0; x < 2*half; x++) {
    const i = 3*(clip(top + y, 0, height - 1)*width + clip(left + x, 0, width - 1))
    for (let c = 0; c < 3; c++) out.data[j++] = data[i + c]
  }
  return out
}
