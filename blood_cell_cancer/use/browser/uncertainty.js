// From a network's outputs to an answer or an abstention, as in blood_cell_cancer.models.uncertainty and data.nucleus.
import {centralNucleus} from './nucleus.js'

// The arrays of a safetensors file: name to {shape, values}; single or half precision.
export function readTensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true)), out = {}
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)))
  for (const [name, {dtype, shape, data_offsets: [from, to]}] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const bytes = buffer.slice(8 + length + from, 8 + length + to)
    out[name] = {shape, values: dtype === 'F16' ? Float32Array.from(new Uint16Array(bytes), half) : new Float32Array(bytes)}
  }
  return out
}

function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, part = bits & 1023
  return sign*(exponent ? 2**(exponent - 15)*(1 + part/1024) : 2**-24*part)
}

// Logits to which the width of the nucleus adds what it says of each class.
export function withNucleus(logits, {widths, spread, scale}, image) {
  const found = centralNucleus(image)
  if (!found?.width) return logits
  return logits.map((v, i) => Math.fround(v - 2*Math.log1p(((Math.log(found.width/scale) - Math.log(widths[i]))/spread)**2/3)))
}

export function softmax(logits) {
  const most = Math.max(...logits), e = logits.map(v => Math.exp(v - most)), sum = e.reduce((a, b) => a + b, 0)
  return e.map(v => v/sum)
}

export const best = probs => probs.indexOf(Math.max(...probs))

// The classes that can't be ruled out: true or false for each.
function possible(probs, {thresholds, method}) {
  let scores = probs.map(p => 1 - p), sum = 0
  if (method === 'aps') {
    scores = []
    for (const i of probs.map((_, i) => i).sort((a, b) => probs[b] - probs[a] || a - b)) scores[i] = sum += probs[i]
  }
  return scores.map((s, i) => s <= thresholds[i] + 1e-9 || i === best(probs))
}

const dot = (a, b) => a.reduce((sum, v, i) => sum + v*b[i], 0)

// How unlike the training images it is: the distance to the k-th nearest of them, or to the nearest class.
function oodScore(features, {kind, k}, arrays) {
  if (kind === 'knn') {
    const {shape: [n, d], values} = arrays.bank, length = Math.max(Math.sqrt(dot(features, features)), 1e-12)
    const near = Array.from({length: n}, (_, i) => dot(features, values.subarray(i*d, (i + 1)*d))/length).sort((a, b) => b - a)
    return Math.sqrt(Math.max(2 - 2*near[k - 1], 0))
  }
  const {centre, whiten, means} = arrays, [d, q] = whiten.shape, away = features.map((v, i) => v - centre.values[i])
  const z = Array.from({length: q}, (_, j) => away.reduce((sum, v, i) => sum + v*whiten.values[i*q + j], 0))
  const distance = m => Math.hypot(...z.map((v, j) => v - means.values[m*q + j]))
  return Math.min(...Array.from({length: means.shape[0]}, (_, m) => distance(m)))
}

// A row of the prediction table. `content` says why the picture does not show what the model reads, or is ''.
export function answer(logits, features, content, {classes, uncertainty, words}, arrays) {
  if (![...logits, ...uncertainty ? features : []].every(Number.isFinite)) return {error: words.notFinite}
  if (!uncertainty) {
    const probs = softmax(logits)
    return {probs, predicted: classes[best(probs)]}
  }
  const probs = softmax(logits.map(v => v/uncertainty.temperature)), inside = possible(probs, uncertainty), set = classes.filter((_, i) => inside[i])
  const ood = oodScore(features, uncertainty, arrays), why = ood <= uncertainty.limit ? [] : [words.unlike]
  if (set.length > 1) why.push(`several classes possible: ${set.join(', ')}`)
  return {probs, predicted: classes[best(probs)], set, ood, reason: content || why.join('; ')}
}
