// Files that a person chooses or drops, as {name, file}, sorted by name.

const sorted = files => files.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

// The name below the chosen folder; of folders only images are taken, and nothing that Python passes over.
function below(path, file, {suffixes, hidden}) {
  const name = path.split('/').slice(1).join('/'), passed = name.split('/').some(part => hidden.some(start => part.startsWith(start)))
  return passed || !suffixes.some(suffix => name.toLowerCase().endsWith(suffix)) ? [] : [{name, file}]
}

export function chosen(input, facts) {
  const files = [...input.files].flatMap(f => f.webkitRelativePath ? below(f.webkitRelativePath, f, facts) : [{name: f.name, file: f}])
  input.value = '' // so that the same files can be chosen again
  return sorted(files)
}

async function inside(entry, facts) {
  if (entry.isFile) return below(entry.fullPath.slice(1), await new Promise((found, failed) => entry.file(found, failed)), facts)
  const reader = entry.createReader(), files = []
  for (;;) { // a reader gives a folder in parts
    const part = await new Promise((found, failed) => reader.readEntries(found, failed))
    if (!part.length) return files
    for (const e of part) files.push(...await inside(e, facts))
  }
}

export async function dropped(transfer, facts) {
  // The list is empty after the first wait.
  const items = [...transfer.items].filter(i => i.kind === 'file').map(i => [i.webkitGetAsEntry?.(), i.getAsFile()]), files = []
  for (const [entry, file] of items) files.push(...entry?.isDirectory ? await inside(entry, facts) : [{name: file.name, file}])
  return sorted(files)
}
