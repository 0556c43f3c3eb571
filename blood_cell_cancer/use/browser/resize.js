// The two ways in which Python resizes a picture, to the byte.
import {picture, round} from './pixels.js'

const f = Math.fround, BITS = 22 // of the fraction of a weight in Pillow

// For each new pixel along an axis: the first old one that counts, and the weights from there on.
function triangles(from, to) {
  const scale = from/to, reach = Math.max(scale, 1)
  return Array.from({length: to}, (_, i) => {
    const middle = (i + .5)*scale, first = Math.max(Math.trunc(middle - reach + .5), 0), end = Math.min(Math.trunc(middle + reach + .5), from)
    const weights = Array.from({length: end - first}, (_, j) => Math.max(1 - Math.abs((j + first - middle + .5)/reach), 0))
    const sum = weights.reduce((a, b) => a + b, 0)
    return {first, weights: weights.map(w => Math.trunc(.5 + w/sum*2**BITS))}
  })
}

// One axis of a resize: `lines` rows (or columns) of pixels, which lie `step` bytes apart.
function along(source, out, tables, lines, line, step, outLine, outStep) {
  for (let y = 0; y < lines; y++) for (let x = 0; x < tables.length; x++) {
    const {first, weights} = tables[x]
    let r = 2**(BITS - 1), g = r, b = r
    for (let j = 0, i = y*line + first*step; j < weights.length; j++, i += step) {
      r += weights[j]*source[i]
      g += weights[j]*source[i + 1]
      b += weights[j]*source[i + 2]
    }
    // The weights are positive and sum to one, so no value leaves the bytes.
    out.set([r >> BITS, g >> BITS, b >> BITS], y*outLine + x*outStep)
  }
}

// Pillow's anti-aliased bilinear resize to a square: first the rows and then the columns, or the other way where these shrink much more
// (since Pillow 13; before, rows always came first, which changes some pixels by one grey level).
export function resize(image, size) {
  const {width, height} = image
  return height > size && height > 2*width - size ? rows(columns(image, size), size) : columns(rows(image, size), size)
}

// Pillow's reduction of a large picture, by 2, 4, ... as long as no side gets shorter than `least`: means of squares of k x k pixels.
export function reduce(image, least) {
  const {width, height, data} = image
  let k = 1
  while (Math.floor(Math.min(width, height)/(2*k)) >= least) k *= 2
  if (k === 1) return image
  const out = picture(Math.ceil(width/k), Math.ceil(height/k))
  for (let y = 0, j = 0; y < out.height; y++) for (let x = 0; x < out.width; x++) {
    const right = Math.min((x + 1)*k, width), bottom = Math.min((y + 1)*k, height), n = (right - x*k)*(bottom - y*k), scale = Math.floor(2**24/n)
    for (let c = 0; c < 3; c++) {
      let sum = Math.floor(n/2)
      for (let v = y*k; v < bottom; v++) for (let u = x*k; u < right; u++) sum += data[3*(v*width + u) + c]
      out.data[j++] = Math.floor(sum*scale/2**24)
    }
  }
  return out
}

function rows({width, height, data}, size) {
  const out = picture(size, height)
  if (width === size) return {width, height, data}
  along(data, out.data, triangles(width, size), height, 3*width, 3, 3*size, 3)
  return out
}

function columns({width, height, data}, size) {
  const out = picture(width, size)
  if (height === size) return {width, height, data}
  along(data, out.data, triangles(height, size), width, 3, 3*width, 3, 3*width)
  return out
}

// OpenCV's INTER_AREA along one axis: new pixels as weighted means of the old ones that they cover.
function covered(from, to) {
  const scale = from/to
  return Array.from({length: to}, (_, i) => {
    const start = i*scale, end = Math.min(start + scale, from), width = Math.min(scale, from - start), parts = []
    const whole = Math.ceil(start), last = Math.min(Math.floor(end), from - 1)
    if (Math.min(whole, last) - start > 1e-3) parts.push([Math.min(whole, last) - 1, (Math.min(whole, last) - start)/width])
    for (let k = Math.min(whole, last); k < last; k++) parts.push([k, 1/width])
    if (end - last > 1e-3) parts.push([last, Math.min(end - last, 1, width)/width])
    return parts
  })
}

// The same where the picture is enlarged: two neighbours, in 2048ths.
function between(from, to) {
  const inverse = to/from, scale = 1/inverse
  return Array.from({length: to}, (_, i) => {
    let left = Math.floor(i*scale), part = f(i + 1 - (left + 1)*inverse)
    part = part <= 0 ? 0 : f(part - Math.floor(part))
    if (left >= from - 1) [left, part] = [from - 1, 0]
    const weight = round(part*2048)
    return [left, Math.min(left + 1, from - 1), 2048 - weight, weight]
  })
}

// The green channel of OpenCV's INTER_AREA resize, as a plane of size x size bytes.
export function greenByArea({width, height, data}, size) {
  const out = new Uint8Array(size*size), green = (x, y) => data[3*(y*width + x) + 1]
  if (width >= size && height >= size) {
    const across = covered(width, size), down = covered(height, size), twice = width === 2*size && height === 2*size
    down.forEach((rows, y) => across.forEach((columns, x) => {
      let sum = 0
      for (const [j, v] of rows) sum = f(sum + f(f(v)*columns.reduce((s, [i, w]) => f(s + f(f(w)*green(i, j))), 0)))
      out[y*size + x] = twice ? sum + .5 : round(sum) // halves of the simplest case are rounded up
    }))
    return out
  }
  const across = between(width, size), down = between(height, size)
  down.forEach(([top, below, v, w], y) => across.forEach(([left, right, a, b], x) => {
    const row = j => green(left, j)*a + green(right, j)*b
    out[y*size + x] = ((v*(row(top) >> 4) >> 16) + (w*(row(below) >> 4) >> 16) + 2) >> 2
  }))
  return out
}
