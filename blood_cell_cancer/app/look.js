// Additions to ipywidgets: names for slider handles, files dropped on an upload button, a limit on what is sent, and copying.
// Without this script everything works except dropping files and copying with one click.
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
})()
