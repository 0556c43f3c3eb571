"""The documentation site in `_docs/`: `python tools/docs.py`.

Pages show the outputs that are committed (`make render` renews them), so no notebook is run. nbdev finds what a notebook exports and
adds `show_doc` after it, MyST-NB and Sphinx make the pages. Nothing is fetched, neither here nor by who reads the pages.

Looked at on 2026-11-22 and left: Quarto, nbdev's own way (its binary is in no package registry); mystmd 1.11 (asks
api.mystmd.org for its theme at each build); mkdocs with mkdocs-jupyter (mkdocs has had no release since August 2024,
where Sphinx' pydata theme has one nearly each month).
"""
import ast
import gc
import re
import shutil
import sys
from importlib import import_module
from inspect import getdoc
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import nbformat
import pandas
from nbdev.config import get_config
from nbdev.doclinks import _nbpath2html
from nbdev.process import NBProcessor
from nbdev.processors import add_show_docs, hide_line, populate_language
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.cmd.build import build_main

import blood_cell_cancer as package

sys.path.insert(0, str(Path(__file__).with_name('pages')))
from api import show_doc, text # noqa: E402
from check import misleading, outside # noqa: E402

root = Path(__file__).parents[1]
nbs, work, site = root/'nbs', root/'_proc', root/'_docs'
# Each is a folder of notebooks, with folders inside: its title, in a few words, in a sentence.
READING = {
    'tutorials': ('Course', 'seven lessons', 'Seven short lessons, one idea each, on drawn cells; no graphics card, and no images to download.'),
    'case_studies': ('Case studies', 'two published systems',
                     'Two published systems rebuilt from their texts, and what their figures are worth.'),
    'guides': ('Guides', 'saliency, robustness, ensembles, adaptation', 'Short notebooks beside the course, one question each.'),
    'studies': ('Studies', 'what was tried', 'Logs of experiments: what was changed, what came of it, what was kept.')}
# In the order in which an image table travels; nothing imports from a room to its right.
ROOMS = {
    'core': ('Core', 'files, tables, intervals', 'Reading images, the tables that all sub-packages use, and confidence intervals.'),
    'data': ('Data', 'audit, splits, augmentation',
             'Image tables, what predicts a class without the cell, and splits that keep test images independent.'),
    'models': ('Models', 'backbones, engines, bundles',
               'Backbones, cuts, two engines that train the same layers, uncertainty, and saved models.'),
    'evaluate': ('Evaluate', 'intervals, calibration, saliency',
                 'Figures with intervals beside baselines, calibration, external validation, saliency and robustness.'),
    'use': ('Use', 'predict, export, app', 'Predictions, the command line, export, and the widgets and the app.')}
COURSE = 'tutorials'
PROJECT = {'PROMISES.md': 'promises', 'CHANGELOG.md': 'changelog', 'CONTRIBUTING.md': 'contributing', 'CODE_OF_CONDUCT.md': 'conduct', 'data/README.md': 'data_sets'}


def notebooks() -> list[Path]:
    "Every notebook, in the order of the site."
    return [nbs/'index.ipynb', *sorted(nbs.glob('[0-9]*.ipynb')), *(p for room in (*READING, *ROOMS) for p in in_room(room))]


def in_room(room: str) -> list[Path]:
    "The notebooks of a room: those in the folder itself, then those of each folder inside."
    found = [p for p in (nbs/room).rglob('[!._]*.ipynb') if '.ipynb_checkpoints' not in p.parts]
    return sorted(found, key=lambda p: (p.parent != nbs/room, p))


def page(path: Path) -> Path:
    "Where a notebook's page lies in the site, without its number, as nbdev names it: `data/phantoms/draw`."
    return _nbpath2html(path.relative_to(nbs)).with_suffix('')


def tagged(path: Path) -> tuple[nbformat.NotebookNode, str]:
    "A notebook with nbdev's `show_doc` after what is exported, and tags for what the directives say; and the module it is exported to."
    made = NBProcessor(path, procs=[populate_language, hide_line, add_show_docs], process=True).nb
    module = next((f'{get_config().lib_name}.{c.directives_["default_exp"][0]}' for c in made.cells
                   if 'default_exp' in (getattr(c, 'directives_', None) or {})), '')
    cells = []
    for c in made.cells:
        said = getattr(c, 'directives_', None) or {}
        tags = {'api'} if getattr(c, 'has_sd', False) else {'source'} & {'source' if 'export' in said else ''}
        if said.keys() & {'hide', 'default_exp'}: tags.add('hide')
        source, facts = '\n'.join(line for line in c.source.split('\n') if not line.startswith('#|')), dict(tags=sorted(tags))
        if 'fig-alt:' in said: facts['alt'] = ' '.join(said['fig-alt:'])
        cells.append(new_markdown_cell(source, metadata=facts) if c.cell_type == 'markdown' else
                     new_code_cell(source, metadata=facts, outputs=[nbformat.from_dict(o) for o in c.get('outputs', ())]))
    return new_notebook(cells=cells, metadata=dict(kernelspec=dict(name='python3', display_name='python3', language='python'))), module


class Place(NamedTuple):
    "Where a cell is shown."
    page: Path
    module: str # that its notebook is exported to, or ''
    entries: dict # name -> the pages with an entry of it, in the order of the site


def entry_name(cell) -> str:
    "The name that a cell of nbdev's documents: of `show_doc(name)`, or of a method that several classes have a list of names."
    return re.search(r'\(([\w.]+)', re.sub(r"\['([\w.]+)'.*\]", r'\1', cell.source))[1]


def is_entry(cell) -> bool:
    "What Python calls by itself, such as `__repr__`, has no entry."
    return 'api' in cell.metadata.get('tags', []) and not entry_name(cell).endswith('__')


def find_entries(made: dict) -> dict:
    entries = {}
    for path, (nb, _) in made.items():
        for cell in filter(is_entry, nb.cells): entries.setdefault(entry_name(cell), []).append(page(path))
    return entries


def relink(markdown: str, place: Place) -> str:
    "Names in backticks lead to their entry: that of this page, if it has one, or the first in the order of the site."
    def link(m):
        if m[1] not in place.entries: return m[0]
        pages = place.entries[m[1]]
        to = '' if place.page in pages else f'{"../"*(len(place.page.parts) - 1)}{pages[0].as_posix()}.html'
        return f'<a href="{to}#api-{m[1]}"><code>{m[1]}{m[2]}</code></a>'
    fenced, lines = False, []
    for line in markdown.split('\n'):
        fenced ^= line.startswith('```')
        lines.append(line if fenced or line.startswith('    ') else re.sub(r'(?<!\[)`([^`\s]+?)((?:\(\))?)`', link, line))
    return '\n'.join(lines)


def imports_only(source: str) -> bool:
    return all(isinstance(t, (ast.Import, ast.ImportFrom)) for t in ast.parse(source).body)


def names_table(source: str) -> str:
    "The names that the main import takes from elsewhere, each with the first line of its docstring."
    # `all` itself is not loaded: it adds arguments to the docstrings, which stand in the entries' tables.
    given = {n.name: getattr(import_module(t.module), n.name) for t in ast.parse(source).body for n in t.names if n.name in package.__all__}
    line = {n: getdoc(v).split('\n')[0] if callable(v) else f'{type(v).__name__}: {", ".join(v)}' for n, v in given.items()}
    return '\n'.join(['| name | what it is |', '|---|---|', *(f'| `{n}` | {text(line[n])} |' for n in given)])


def present(cell, place: Place):
    "A cell as the site shows it, or None."
    tags = set(cell.metadata.get('tags', []))
    if 'hide' in tags or 'google.colab' in cell.source: return None
    if cell.cell_type == 'markdown':
        # The badge is an image from the net: here a plain link does.
        shown = re.sub(r'\[!\[([^\]]*)\]\([^)]*\)\]\(([^)]*)\)', r'<a class="colab" href="\2">\1</a>', cell.source)
        shown = re.sub(r'^The next cell is for Google Colab.*$', '', shown, flags=re.M)
        # Pages have no numbers.
        shown = re.sub(r'\]\((?!https?:)([^)]*?)\d+[a-z]*_(\w+\.ipynb)\)', r'](\1\2)', shown)
        return new_markdown_cell(relink(shown, place))
    if 'api' in tags:
        if not is_entry(cell): return None
        names = vars(import_module(place.module))
        names.setdefault('pd', pandas) # some modules load pandas late, and name it in annotations
        made = show_doc(eval(entry_name(cell), names))
        return new_markdown_cell(relink(made._repr_markdown_(), place))
    if 'source' in tags:
        if not imports_only(cell.source): return new_code_cell(cell.source, metadata=dict(tags=['hide-input']))
        return new_markdown_cell(relink(names_table(cell.source), place)) if place.module == f'{package.__name__}.all' else None
    # MyST-NB takes a picture's text from the cell and not from the output.
    alt = cell.metadata.get('alt', '')
    return new_code_cell(cell.source, outputs=cell.outputs, execution_count=None, metadata=dict(mystnb=dict(image=dict(alt=alt))) if alt else {})


def as_page(nb, place: Place) -> nbformat.NotebookNode:
    "A notebook as the site shows it: what is exported by its entries first, its source folded behind them."
    order = []
    for is_api, run_of in groupby(nb.cells, lambda c: 'api' in c.metadata.get('tags', [])):
        cells = list(run_of)
        # nbdev puts the last name first.
        order = [*order[:-1], *reversed(cells), order[-1]] if is_api else [*order, *cells]
    return new_notebook(cells=[made for c in order if (made := present(c, place)) is not None], metadata=nb.metadata)


def opening(path: Path) -> tuple[str, str]:
    "Title and summary of a notebook."
    first = next(c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'markdown')
    return re.search(r'^# (.+)$', first, re.M)[1], re.search(r'^> (.+)$', first, re.M)[1]


def contents(docs: list) -> str:
    return '\n'.join(['```{toctree}', ':hidden:', *docs, '```'])


def room_page(room: str, title: str, sentence: str) -> str:
    "The first page of a room: what is in it. Lessons have numbers."
    paths = in_room(room)
    number = {p: f'{i}. ' if room == COURSE else '' for i, p in enumerate(paths, 1)}
    name = {p: page(p).relative_to(room).as_posix() for p in paths}
    rows = [f'- **{number[p]}[{opening(p)[0]}]({name[p]})**\\\n  {opening(p)[1]}' for p in paths]
    docs = [f'{number[p]}{opening(p)[0]} <{name[p]}>' for p in paths]
    return f'# {title}\n\n> {sentence}\n\n{{.pages}}\n' + '\n'.join(rows) + '\n\n' + contents(docs) + '\n'


def flow() -> str:
    "The rooms as a band of links for the home page."
    stops = [(COURSE, READING[COURSE]), *ROOMS.items()]
    links = ''.join(f'<a href="{room}/index.html"><b>{title}</b><span>{short}</span></a>' for room, (title, short, _) in stops)
    return f'<nav class="flow" aria-label="Sub-packages">{links}</nav>'


def write_sources(src: Path):
    "Everything that Sphinx reads."
    shutil.rmtree(src, ignore_errors=True)
    shutil.copytree(nbs/'images', src/'images')
    made = {path: tagged(path) for path in notebooks()}
    entries = find_entries(made)
    for path, (nb, module) in made.items():
        nb = as_page(nb, Place(page(path), module, entries))
        if path == nbs/'index.ipynb':
            nb.cells[0].source = re.sub(r'^(> .+)$', lambda m: f'{m[1]}\n\n{flow()}', nb.cells[0].source, count=1, flags=re.M)
            nb.cells.append(new_markdown_cell(contents([f'{r}/index' for r in READING] + ['all'] + [f'{r}/index'
                    for r in (*ROOMS, 'project')])))
        out = (src/page(path)).with_suffix('.ipynb')
        out.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, out)
    for room, (title, _, sentence) in (READING | ROOMS).items(): (src/room/'index.md').write_text(room_page(room, title, sentence))
    (src/'project').mkdir()
    there = {f: n for f, n in PROJECT.items() if (root/f).exists()}
    for f, n in there.items(): shutil.copy(root/f, src/'project'/f'{n}.md')
    listed = '\n'.join(f'- [](./{n}.md)' for n in there.values())
    (src/'project'/'index.md').write_text(f'# Project\n\n{listed}\n\n{contents(list(there.values()))}\n')


def build(out: Path = site, scratch: Path = work) -> int:
    "The pages; an exit status. A site that is there stays until the new one is whole."
    src, made = scratch/'site', scratch/'html'
    gc.disable() # Sphinx keeps what it makes to the end: looking for garbage takes time and finds none
    write_sources(src)
    shutil.rmtree(made, ignore_errors=True)
    if status := build_main(['-q', '-b', 'html', '-c', str(root/'tools'/'pages'), '-d', str(scratch/'doctrees'), str(src),
                             str(made)]): return status
    if bad := outside(made): sys.exit('\n'.join(['the site would fetch from elsewhere, or miss:', *bad]))
    if bad := misleading(made): sys.exit('\n'.join(['the site would mislead:', *bad]))
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(made, out)
    return 0


def main():
    if status := build(): sys.exit(status)
    print(f'the site is in {site.relative_to(root)}/: open {site.relative_to(root)}/index.html')


if __name__ == '__main__': main()
