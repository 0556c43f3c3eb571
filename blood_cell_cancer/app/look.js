// Additions to ipywidgets: names for slider handles, files dropped on an upload button, a limit on what is sent, copying, larger pictures, and keys.
// Without this script everything works except dropping files, copying with one click, enlarging, and marking by key.
(() => {
  if (window.bloodCells) return
  window.bloodCells = true
  const name = box => box.querySelectorAll('.noUi-handle, .widget-readout').forEach(h => {
    const text = box.querySelector('.widget-label')?.textContent
    if (text && h.getAttribute('aria-label') !== text) h.setAttribute('aria-label', text)
  })
  const nameAll = () => {
    document.querySelectorAll('.bcc .widget-slider').forEach(name)
    document.querySelectorAll('.bcc-drop .widget-upload').forEach(b => { if (/ \(\d+\)$/.test(b.textContent)) b.textContent = b.textContent.replace(/ \(\d+\)$/, '') })
    document.querySelectorAll('.bcc .tabs').forEach(t => { t.setAttribute('role', 'group'); t.setAttribute('aria-label', 'Parts of the app') })
    document.querySelectorAll('.bcc .tabs button').forEach(b => b.setAttribute('aria-pressed', b.classList.contains('chosen')))
    document.querySelectorAll('.bcc button.at-end, .bcc button[aria-disabled]').forEach(b => b.setAttribute('aria-disabled', b.classList.contains('at-end')))
    document.querySelectorAll('.bcc-card[data-touched]').forEach(c => { if (!c.offsetParent || c.dataset.touched !== shown(c)) forget(c) })
  }

  // Cards are filled again with other images: what `x` did to one is forgotten when it shows another.
  let last = null
  const shown = card => { const e = card.querySelector('figure [alt], figure [aria-label]'); return e ? e.getAttribute('alt') || e.getAttribute('aria-label') : '' }
  const forget = card => {
    card.classList.remove('picked')
    delete card.dataset.touched
    if (last === card) last = null
  }
  const pick = (card, yes) => {
    card.classList.toggle('picked', yes)
    card.dataset.touched = shown(card)
  }
  new MutationObserver(nameAll).observe(document.body, {childList: true, subtree: true, attributes: true, attributeFilter: ['class']})
  nameAll()

  // ipywidgets keeps its file input out of the page. The click on its button is caught to reach the input.
  const click = HTMLInputElement.prototype.click
  let box = null, dropped = null
  const limit = input => event => {
    const most = Number(input.bloodCellsBox.dataset.most || 60e6), sum = [...input.files].reduce((n, f) => n + f.size, 0)
    if (sum <= most) return
    event.stopImmediatePropagation()
    alert(`These files have ${Math.round(sum/1e6)} MB together, and ${Math.round(most/1e6)} MB can be sent at once. Choose fewer files, or use blood-cells predict for a whole folder.`)
    input.value = ''
  }
  HTMLInputElement.prototype.click = function () {
    if (this.type !== 'file' || this.isConnected || !box) return click.call(this)
    if (!this.bloodCellsBox) { this.bloodCellsBox = box; this.addEventListener('change', limit(this), true) }
    if (!dropped) return click.call(this)
    this.files = dropped
    this.dispatchEvent(new Event('change', {bubbles: true}))
  }
  const near = event => event.target.closest?.('.bcc-drop')
  document.addEventListener('click', event => {
    if (event.target.closest?.('.bcc-drop .widget-upload')) { box = near(event); setTimeout(() => { box = null }) }
    const copy = event.target.closest?.('.bcc button.copy')
    if (copy) navigator.clipboard.writeText(copy.parentElement.querySelector('pre').textContent).then(() => { copy.textContent = 'Copied' })
  }, true)
  for (const kind of ['dragover', 'dragleave', 'drop']) document.addEventListener(kind, event => {
    const zone = near(event)
    if (!zone) return
    event.preventDefault()
    zone.classList.toggle('over', kind === 'dragover')
    if (kind !== 'drop' || !event.dataTransfer.files.length) return
    dropped = event.dataTransfer.files
    zone.querySelector('.widget-upload').click()
    dropped = null
  })

  // A picture is enlarged by a click or Enter, and goes by the same.
  const enlarge = img => {
    const view = document.createElement('dialog'), large = document.createElement('img'), text = document.createElement('p')
    view.className = 'bcc-zoom'
    large.src = img.src
    large.alt = text.textContent = img.alt
    view.append(large, text)
    view.addEventListener('click', () => view.close())
    view.addEventListener('keydown', event => { if (event.key === 'Enter') { event.preventDefault(); view.close() } })
    view.addEventListener('close', () => { view.remove(); img.focus() })
    document.body.append(view)
    view.tabIndex = -1
    view.showModal()
    view.focus()
  }
  document.addEventListener('click', event => { if (event.target.matches?.('.bcc figure img')) enlarge(event.target) })

  // Keys on a picture of the data explorer pick cards and choose in their menus.
  const choose = (select, index) => {
    if (!select || index < 0 || index >= select.options.length) return
    select.selectedIndex = index
    select.dispatchEvent(new Event('change', {bubbles: true}))
  }
  const mark = (card, key) => {
    const [annotation, label] = card.querySelectorAll('select'), names = [...annotation.options].map(o => o.textContent)
    if (key === '0') return choose(annotation, 0)
    if (!/[1-9]/.test(key)) return choose(annotation, names.findIndex(n => n[0] === key && n !== 'relabel' && n !== 'none'))
    if (Number(key) >= label.options.length) return
    choose(annotation, names.indexOf('relabel'))
    choose(label, Number(key))
  }
  document.addEventListener('keydown', event => {
    const img = event.target
    if (!img.matches?.('.bcc figure img') || event.ctrlKey || event.metaKey || event.altKey) return
    const card = img.closest('.bcc-card'), key = event.key.toLowerCase()
    if (event.key === 'Enter') { event.preventDefault(); return enlarge(img) }
    if (!card || !/^[xdl0-9]$/.test(key)) return
    event.preventDefault()
    const all = [...card.parentElement.children].filter(c => c.offsetParent)
    if (key === 'x') {
      const [a, b] = [all.includes(last) ? last : card, card].map(c => all.indexOf(c)).sort((p, q) => p - q)
      if (event.shiftKey) all.slice(a, b + 1).forEach(c => pick(c, true))
      else pick(card, !card.classList.contains('picked'))
      last = card
      return
    }
    const picked = all.filter(c => c.classList.contains('picked'))
    for (const c of picked.length ? picked : [card]) { mark(c, key); c.classList.remove('picked') }
  })
})()
