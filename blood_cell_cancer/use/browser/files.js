// Files that a person chooses or drops, as {name, file}, sorted by name.

const sorted = files => files.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

// The name below the chosen folder; of folders only images are taken, and nothing hidden.
function below(path, file, suffixes) {
  const name = path.split('/').slice(1).join('/'), hidden = name.split('/').some(part => part.startsWith('.'))
  return hidden || !suffixes.some(suffix => name.toLowerCase().endsWith(suffix)) ? [] : [{name, file}]
}

export function chosen(input, suffixes) {
  const files = [...input.files].flatMap(f => f.webkitRelativePath ? below(f.webkitRelativePath, f, suffixes) : [{name: f.name, file: f}])
  input.value = '' // so that the same files can be chosen again
  return sorted(files)
}

async function inside(entry, suffixes) {
  if (entry.isFile) return below(entry.fullPath.slice(1), await new Promise((found, failed) => entry.file(found, failed)), suffixes)
  const reader = entry.createReader(), files = []
  for (;;) { // a reader gives a folder in parts
    const part = await new Promise((found, failed) => reader.readEntries(found, failed))
    if (!part.length) return files
    for (const e of part) files.push(...await inside(e, suffixes))
  }
}

export async function dropped(transfer, suffixes) {
  // The list is empty after the first wait.
  const items = [...transfer.items].filter(i => i.kind === 'file').map(i => [i.webkitGetAsEntry?.(), i.getAsFile()]), files = []
  for (const [entry, file] of items) files.push(...entry?.isDirectory ? await inside(entry, suffixes) : [{name: file.name, file}])
  return sorted(files)
}
