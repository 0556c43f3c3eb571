// Pictures as RGB bytes without transparency: {width, height, data}, three bytes a pixel, row by row.

export const picture = (width, height) => ({width, height, data: new Uint8Array(3*width*height)})

// Python and OpenCV round halves to the even neighbour.
export const round = v => {
  const r = Math.round(v)
  return r - v === .5 && r % 2 ? r - 1 : r
}

export const clip = (v, low, high) => Math.min(Math.max(v, low), high)

// Decode a file upright, with transparency on white: {image, canvas}. The error is a sentence without the file's name.
export async function decode(file, mostPixels) {
  if (await frames(file) > 1) throw Error('holds several images: save each as a file of its own')
  // A profile of colours is left aside, as Python leaves it.
  const options = {imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none'}
  let bitmap
  try { bitmap = await createImageBitmap(file, options) }
  catch { throw Error('not an image, a damaged one, or of a format that this browser cannot read: PNG and JPEG are read everywhere') }
  const {width, height} = bitmap
  if (width*height > mostPixels) throw Error(`has ${Math.round(width*height/1e6)} megapixels: cut out single cells`)
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext('2d', {willReadFrequently: true})
  context.fillStyle = '#fff'
  context.fillRect(0, 0, width, height)
  context.drawImage(bitmap, 0, 0)
  bitmap.close()
  return {image: withoutAlpha(context.getImageData(0, 0, width, height)), canvas}
}

function withoutAlpha({width, height, data}) {
  const out = picture(width, height)
  for (let i = 0, j = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) out.data[j++] = data[i + c]
  return out
}

// Pictures in an animation; 1 where the browser can't tell.
async function frames(file) {
  if (!window.ImageDecoder || !/gif|webp|png/.test(file.type)) return 1
  const decoder = new ImageDecoder({data: file.stream(), type: file.type})
  try {
    await decoder.tracks.ready
    return decoder.tracks.selectedTrack?.frameCount ?? 1
  } catch { return 1 } finally { decoder.close() }
}
