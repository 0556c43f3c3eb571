// The preprocessing of a bundle, by the names that page.json uses.
import {cropCell} from './nucleus.js'
import {round} from './pixels.js'
import {reinhard} from './stain.js'

// The median of each channel over the pixels that are `taken`, halves cut off as numpy does where it writes them into bytes; null without any.
function median({width, height, data}, taken) {
  const values = [[], [], []]
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (taken(x, y)) for (let c = 0; c < 3; c++) values[c].push(data[3*(y*width + x) + c])
  const n = values[0].length
  if (!n) return null
  return values.map(v => Uint8Array.from(v).sort()).map(v => Math.trunc((v[(n - 1) >> 1] + v[n >> 1])/2))
}

// Fill a box, in fractions of width and height, with the median colour of its surroundings.
function mask(image, {box}) {
  const {width, height} = image, data = image.data.slice(), [x0, y0, x1, y1] = box.map((v, i) => round(v*(i % 2 ? height : width)))
  const far = Math.max(2, Math.floor(height/30)), within = (x, y, more) => x >= x0 - more && x < x1 + more && y >= y0 - more && y < y1 + more
  const colour = median(image, (x, y) => within(x, y, far) && !within(x, y, 0)) ?? median(image, () => true)
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) data.set(colour, 3*(y*width + x))
  return {width, height, data}
}

const STEPS = {crop: cropCell, mask, reinhard}

export const preprocess = (image, steps) => steps.reduce((now, step) => STEPS[step.name](now, step), image)
