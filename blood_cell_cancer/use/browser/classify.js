// The model: what page.json says, the network in ONNX Runtime, and the arrays of its uncertainty.
import {notOneCell} from './content.js'
import {reduce, resize} from './resize.js'
import {preprocess} from './steps.js'
import {answer, readTensors, withNucleus} from './uncertainty.js'

async function fetched(address, options) {
  const response = await fetch(address, options)
  if (!response.ok) throw Error(`${address}: ${response.status} ${response.statusText}`)
  return response
}

export const readFacts = async () => (await fetched('page.json')).json()

export async function openModel(facts) {
  const ort = await import('onnxruntime-web'), bytes = async (...of) => (await fetched(...of)).arrayBuffer()
  // One thread needs no special headers of the server. The network alone decides how fast it is.
  ort.env.wasm.numThreads = 1
  ort.env.wasm.wasmBinary = await bytes(facts.wasm.address, {integrity: facts.wasm.integrity})
  const session = await ort.InferenceSession.create(new Uint8Array(await bytes('network.onnx')), {executionProviders: ['wasm']})
  const arrays = facts.uncertainty ? readTensors(await bytes('uncertainty.safetensors')) : {}
  return async image => {
    const small = reduce(image, facts.least) // a nucleus is measured in pixels of the file
    const content = facts.look ? notOneCell(small, facts.words) : '', {data} = resize(preprocess(small, facts.steps), facts.size)
    const {logits, features} = await session.run({pixels: new ort.Tensor('uint8', data, [1, facts.size, facts.size, 3])})
    const values = facts.nucleus ? withNucleus([...logits.data], facts.nucleus, image) : [...logits.data]
    return answer(values, [...features.data], content, facts, arrays)
  }
}
