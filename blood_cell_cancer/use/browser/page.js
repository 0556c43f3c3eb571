// The page: files come in, each gets a row, and the rows can be saved as a table.
import {openModel, readFacts} from './classify.js'
import {chosen, dropped} from './files.js'
import {decode} from './pixels.js'
import {csv, inWords, shown} from './table.js'

const at = id => document.getElementById(id), rows = [], waiting = []
let facts, classify, busy = false, list = 0 // which list this is: `clear` begins another

const say = text => { at('state').textContent = text }

const element = (tag, text, attributes = {}) => {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value)
  e.append(text)
  return e
}

function thumbnail(source) {
  const canvas = element('canvas', '', {width: 144, height: 144, 'aria-hidden': true}), scale = 144/Math.max(source.width, source.height)
  const [width, height] = [source.width*scale, source.height*scale], context = canvas.getContext('2d')
  context.imageSmoothingQuality = 'high'
  context.drawImage(source, (144 - width)/2, (144 - height)/2, width, height)
  return canvas
}

// One line for each class, the largest probability marked.
function bars(row) {
  const list = element('ul', '', {class: 'bars'})
  facts.classes.forEach((name, i) => {
    const line = element('li', '', name === row.predicted ? {class: 'first'} : {}), bar = element('span', '', {class: 'bar', 'aria-hidden': true})
    const filled = element('i', '')
    filled.style.width = `${100*row.probs[i]}%`
    bar.append(filled)
    line.append(element('span', name), ' ', bar, ' ', element('span', row.probs[i].toFixed(3), {class: 'number'}))
    list.append(line)
  })
  return list
}

// The answer, or that there is none, stands before the first comma.
function sentence(row) {
  const [first, ...rest] = inWords(row, facts.classes).split(/(?=, )/), p = element('p', row.error ? first : element('strong', first))
  p.append(rest.join(''))
  return p
}

function show(row, picture) {
  const line = element('tr', '', {class: row.error ? 'unread' : row.reason ? 'abstained' : 'answered'}), head = element('th', '', {scope: 'row'})
  if (picture) head.append(thumbnail(picture))
  head.append(element('span', shown(row.name)))
  const said = element('td', sentence(row), {'data-column': 'Answer'})
  line.append(head, said, element('td', row.probs ? bars(row) : '', {'data-column': 'Probabilities'}))
  at('rows').append(line)
}

async function one({name, file}) {
  const row = {name}, mine = list
  let canvas
  try {
    const read = await decode(file, facts.mostPixels)
    canvas = read.canvas
    Object.assign(row, await classify(read.image))
  } catch (e) { row.error = e.message }
  if (mine !== list) return // removed meanwhile
  rows.push(row)
  show(row, canvas)
}

const count = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`

function summary() {
  const unread = rows.filter(r => r.error).length, abstained = rows.filter(r => !r.error && r.reason).length
  const parts = [facts.uncertainty && `the model answers ${rows.length - unread - abstained} and abstains on ${abstained}`, unread && `${unread} could not be read`]
  return `${count(rows.length, 'image')}${parts.filter(Boolean).map(p => `; ${p}`).join('')}.`
}

async function work() {
  if (busy || !classify) return
  busy = true
  while (waiting.length) {
    say(`Classifying: ${rows.length} of ${rows.length + waiting.length}.`)
    await new Promise(next => setTimeout(next)) // so that the browser can draw
    if (waiting.length) await one(waiting.shift())
  }
  busy = at('save').disabled = false
  at('answers-part').hidden = !rows.length
  say(rows.length ? summary() : 'Ready.')
}

function add(files) {
  if (!files.length) return say('There are no images in it.')
  waiting.push(...files)
  at('answers-part').hidden = false
  at('save').disabled = true // until the table is whole
  work()
}

function save() {
  const link = element('a', '', {download: 'predictions.csv', href: URL.createObjectURL(new Blob([csv(rows, facts)], {type: 'text/csv'}))})
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href))
}

function clear() {
  waiting.length = rows.length = 0
  list += 1
  at('rows').replaceChildren()
  at('answers-part').hidden = true
  say('Ready.')
  at('files').focus()
}

function listen() {
  for (const id of ['files', 'folder']) at(id).addEventListener('change', event => add(chosen(event.target, facts)))
  for (const kind of ['dragover', 'dragleave', 'drop']) document.addEventListener(kind, async event => {
    event.preventDefault()
    at('drop').classList.toggle('over', kind === 'dragover')
    if (kind === 'drop') add(await dropped(event.dataTransfer, facts))
  })
  at('save').addEventListener('click', save)
  at('clear').addEventListener('click', clear)
}

try {
  say('Loading the model.')
  facts = await readFacts()
  listen()
  classify = await openModel(facts)
  say('Ready.')
  work()
} catch (e) {
  say(`The model could not be loaded: ${e.message}`)
  at('state').classList.add('bad')
}
