// Does a picture show one cell? As `not_one_cell` in blood_cell_cancer.data.preprocess.
import {blurred, components, nucleusMask} from './nucleus.js'
import {round} from './pixels.js'
import {greenByArea} from './resize.js'

const SIDE = 160 // at which a picture is examined, pixels

// Half widths of the rows of a disc 9 pixels wide.
const rows = Array.from({length: 9}, (_, i) => round(4*Math.sqrt((16 - (i - 4)**2)/16)))

// Every pixel of this value spreads it over a disc.
function spread(value, size, data) {
  const out = data.slice()
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) if (data[y*size + x] === value) rows.forEach((half, i) => {
    const v = y + i - 4
    if (v >= 0 && v < size) out.fill(value, v*size + Math.max(x - half, 0), v*size + Math.min(x + half, size - 1) + 1)
  })
  return out
}

// Lobes of one nucleus grow together.
function closed(mask) {
  const size = SIDE + 18, wide = new Uint8Array(size*size), out = new Uint8Array(SIDE*SIDE)
  for (let y = 0; y < SIDE; y++) wide.set(mask.subarray(y*SIDE, (y + 1)*SIDE), (y + 9)*size + 9)
  const grown = spread(0, size, spread(1, size, wide))
  for (let y = 0; y < SIDE; y++) out.set(grown.subarray((y + 9)*size + 9, (y + 9)*size + 9 + SIDE), y*SIDE)
  return out
}

const plane = data => ({width: SIDE, height: SIDE, data})

// The value that a twentieth of the pixels do not exceed.
function ground(data) {
  const counts = new Array(256).fill(0)
  for (const v of data) counts[v]++
  let sum = 0
  return counts.findIndex(count => (sum += count) >= data.length/20)
}

// Why a picture does not show one cell, or ''; `words` are those of the Python package.
export function notOneCell(image, words) {
  const density = blurred(plane(greenByArea(image, SIDE).map(v => 255 - v))), mask = nucleusMask(density)
  if (density.data.reduce((a, b) => Math.max(a, b)) - ground(density.data) < 40) return words.noCell
  const {found, part} = components(plane(closed(mask.data))), most = Math.max(...found.map(c => c.area)), large = found.map(c => c.area >= most/4)
  const apart = found.filter((c, i) => large[i] && Math.min(c.left, c.top) > 0 && Math.max(c.right, c.bottom) < SIDE).length
  let off = Infinity
  part.forEach((p, i) => { if (p && large[p - 1]) off = Math.min(off, Math.hypot(Math.floor(i/SIDE) - SIDE/2, i % SIDE - SIDE/2)/SIDE) })
  if (apart >= 4 || apart >= 2 && off > .12) {
    const n = found.filter(c => c.area >= most/10).length
    return words.several.replace('{n}', n < 12 ? n : 10*round(n/10))
  }
  const widest = Math.sqrt(Math.max(...components(mask).found.map(c => c.area)))/SIDE
  return widest < .1 ? words.field : ''
}
