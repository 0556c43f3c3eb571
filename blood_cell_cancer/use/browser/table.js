// Answers as sentences and as the table that `blood-cells predict` writes.

// A file name for a table: control characters are escaped, and none looks like a formula.
export function shown(name) {
  const text = name.replace(/[\0-\x1f\x7f]/g, c => ({'\t': '\\t', '\n': '\\n', '\r': '\\r'}[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`))
  return /^[=+\-@]/.test(text) ? `./${text}` : text
}

// What a row says, without the file's name.
export function inWords(row, classes) {
  if (row.error) return row.error
  if (row.reason) return `the model abstains, ${row.reason} (nearest: ${row.predicted})`
  const p = row.probs[classes.indexOf(row.predicted)], likely = `${row.predicted}, probability ${p > .999 ? '> 0.999' : p.toFixed(3)}`
  return row.set ? `${likely}; possible: ${row.set.join(', ')}` : likely
}

function cells(row, {classes, uncertainty, words}) {
  const name = shown(row.name), error = row.error ? `${name}: ${row.error}` : ''
  const known = [name, name, '', ...classes.map((_, i) => row.probs ? row.probs[i].toFixed(6) : ''), row.predicted ?? '', error]
  if (!uncertainty) return known
  const reason = row.error ? words.unread : row.reason
  return [...known, (row.set ?? []).join('|'), row.error ? '' : String(Number(row.ood.toPrecision(6))), reason ? 'True' : 'False', reason]
}

const quoted = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text

export const csv = (rows, facts) => [facts.columns, ...rows.map(row => cells(row, facts))].map(line => line.map(quoted).join(',') + '\n').join('')
