"""The documentation site in `_docs/`: `python tools/docs.py [--run PATTERN] [--jobs N] [--last]`.

nbdev finds what a notebook exports and adds `show_doc` after it, nbclient runs the notebooks (the outputs that are
committed may be older), MyST-NB and Sphinx make the pages. Nothing is fetched, neither here nor by who reads the pages.

Looked at on 2026-11-22 and left: Quarto, nbdev's own way (its binary is in no package registry); mystmd 1.11 (asks
api.mystmd.org for its theme at each build); mkdocs with mkdocs-jupyter (mkdocs has had no release since August 2024,
where Sphinx' pydata theme has one nearly each month).
"""
import argparse
import ast
import hashlib
import os
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbdev.config import get_config
from nbdev.doclinks import NbdevLookup, _nbpath2html
from nbdev.process import NBProcessor
from nbdev.processors import add_show_docs, hide_line, populate_language
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.cmd.build import build_main

root = Path(__file__).parents[1]
nbs, work, site = root/'nbs', root/'_proc', root/'_docs'
# Each is a folder of notebooks, with folders inside: its title, in a few words, in a sentence.
READING = {
    'tutorials': ('Course', 'seven lessons', 'Seven short lessons, one idea each, on drawn cells; no graphics card and no download.'),
    'case_studies': ('Case studies', 'two published systems',
                     'Two published systems rebuilt from their texts, and what their figures are worth.'),
    'guides': ('Guides', 'saliency, robustness, ensembles, adaptation', 'Short notebooks beside the course, one question each.'),
    'studies': ('Studies', 'what was tried', 'Logs of experiments: what was changed, what came of it, what was kept.')}
# In the order in which an image table travels; nothing imports from a room to its right.
ROOMS = {
    'core': ('Core', 'files, tables, intervals', 'Reading images, the tables that travel between the rooms, and confidence intervals.'),
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


def room_of(path: Path) -> str:
    "The room that a notebook lies in; '' for the home page."
    parts = path.relative_to(nbs).parts
    return parts[0] if len(parts) > 1 else ''


def page(path: Path) -> Path:
    "Where a notebook's page lies in the site, without its number, as nbdev names it: `data/phantoms/draw`."
    return _nbpath2html(path.relative_to(nbs)).with_suffix('')


def preprocess(path: Path) -> nbformat.NotebookNode:
    "A notebook to run: nbdev's `show_doc` after what is exported, and tags for what the directives say."
    made = NBProcessor(path, procs=[populate_language, hide_line, add_show_docs], process=True).nb
    module = next((f'{get_config().lib_name}.{c.directives_["default_exp"][0]}' for c in made.cells
                   if 'default_exp' in (getattr(c, 'directives_', None) or {})), '')
    skip, cells = set(get_config().tst_flags.split()), []
    for c in made.cells:
        said = getattr(c, 'directives_', None) or {}
        tags = {'api'} if getattr(c, 'has_sd', False) else {'source'} & {'source' if 'export' in said else ''}
        if said.keys() & {'hide', 'default_exp'}: tags.add('hide')
        if said.get('eval:', [''])[0].lower() == 'false' or skip & said.keys(): tags.add('skip-execution')
        new = new_markdown_cell if c.cell_type == 'markdown' else new_code_cell
        cells.append(new('\n'.join(line for line in c.source.split('\n') if not line.startswith('#|')), metadata=dict(tags=sorted(tags))))
    first = new_code_cell(f'from api import entries\nshow_doc = entries({module!r})', metadata=dict(tags=['hide']))
    return new_notebook(cells=[first, *cells], metadata=dict(kernelspec=dict(name='python3', display_name='python3', language='python')))


def digest(path: Path) -> str:
    "A run is as good as new while the notebook, its tables, and the modules it may import are what they were."
    rooms = list(ROOMS)
    seen = rooms[:rooms.index(room_of(path)) + 1] if room_of(path) in rooms else rooms
    tables = (nbs/COURSE/'results').glob('*.csv') if room_of(path) in READING else []
    files = [path, root/'tools'/'pages'/'api.py', *tables, *(p for r in seen for p in (get_config().lib_path/r).rglob('*.py'))]
    return hashlib.sha256(b''.join(hashlib.sha256(p.read_bytes()).digest() for p in sorted(files))).hexdigest()[:16]


def kept(path: Path, last: bool = False) -> Path | None:
    "A run of this notebook as it is now; with `last` the newest one, whatever changed since."
    name = page(path).as_posix().replace('/', '-')
    if last: return max((work/'runs').glob(f'{name}.*.ipynb'), key=lambda p: p.stat().st_mtime, default=None)
    found = work/'runs'/f'{name}.{digest(path)}.ipynb'
    return found if found.exists() else None


def run(path: Path) -> str:
    "Run a notebook in its folder and keep it; what went wrong, or ''."
    out, nb = work/'runs'/f'{page(path).as_posix().replace("/", "-")}.{digest(path)}.ipynb', preprocess(path)
    client = NotebookClient(nb, timeout=1800, kernel_name='python3', store_widget_state=False, extra_arguments=['--log-level=ERROR'],
                            resources={'metadata': {'path': str(path.parent)}})
    try: client.execute()
    except (CellExecutionError, CellControlSignal, DeadKernelError, TimeoutError) as e: return re.sub(r'\x1b\[[0-9;]*m', '', str(e))
    out.parent.mkdir(parents=True, exist_ok=True)
    for old in out.parent.glob(f'{out.name.split(".")[0]}.*.ipynb'): old.unlink()
    nbformat.write(nb, out)
    return ''


def run_all(paths: list[Path], jobs: int) -> list[str]:
    "Run what was not run yet; names and errors of those that failed."
    failed, began = [], time.time()
    # One computing thread each; a figure is wanted as a picture, and kernels find `api`.
    os.environ.update(OMP_NUM_THREADS=os.environ.get('OMP_NUM_THREADS', '1'), TF_CPP_MIN_LOG_LEVEL='2',
                      PYTHONPATH=str(root/'tools'/'pages'))
    os.environ.pop('MPLBACKEND', None)
    with ThreadPoolExecutor(jobs) as pool:
        tasks = {pool.submit(run, p): p for p in paths}
        for i, task in enumerate(as_completed(tasks), 1):
            name, error = tasks[task].relative_to(nbs.parent), task.result()
            print(f'[{i}/{len(paths)}, {time.time() - began:.0f} s] {name}{" FAILED" if error else ""}', flush=True)
            if error: failed.append(f'{name}:\n{error}')
    return failed


def relink(text: str, here: Path) -> str:
    "Names in backticks lead to their entry, within this site."
    base = f'{get_config().doc_host}{get_config().doc_baseurl}/'
    up = '../'*(len(here.parts) - 1)
    to_entry = lambda m: f'<a href="{up}{m[2]}#api-{m[3]}"><code>{m[1]}</code></a>'
    return re.sub(rf'\[`([^`]+)`\]\({re.escape(base)}([^)#]+)#([^)]+)\)', to_entry, NbdevLookup().linkify(text))


def shown(outputs: list) -> list:
    "Outputs that a page can show: no warnings, no progress bars; a widget lives only where Python runs."
    good = []
    for o in outputs:
        data = o.get('data', {})
        if o.output_type == 'stream' and o.name == 'stderr': continue
        if 'application/vnd.jupyter.widget-view+json' in data:
            if '%|' in data.get('text/plain', ''): continue
            o['data'] = {'text/html': '<p class="widget">A widget stands here when the notebook is open in Jupyter.</p>'}
        good.append(o)
    return good


def imports_only(source: str) -> bool:
    return all(isinstance(t, (ast.Import, ast.ImportFrom)) for t in ast.parse(source).body)


def present(cell, here: Path):
    "A cell as the site shows it, or None."
    tags = set(cell.metadata.get('tags', []))
    if 'hide' in tags or 'google.colab' in cell.source: return None
    if cell.cell_type == 'markdown':
        # The badge is an image from the net: here a plain link does.
        text = re.sub(r'\[!\[([^\]]*)\]\([^)]*\)\]\(([^)]*)\)', r'<a class="colab" href="\2">\1</a>', cell.source)
        text = re.sub(r'^The next cell is for Google Colab.*$', '', text, flags=re.M)
        # Pages have no numbers.
        text = re.sub(r'\]\((?!https?:)([^)]*?)\d+[a-z]*_(\w+\.ipynb)\)', r'](\1\2)', text)
        return new_markdown_cell(relink(text, here))
    if 'api' in tags:
        made = [o.data['text/markdown'] for o in cell.outputs if 'text/markdown' in o.get('data', {})]
        return new_markdown_cell(relink(made[0], here)) if made else None
    if 'source' in tags:
        return None if imports_only(cell.source) else new_code_cell(cell.source, metadata=dict(tags=['hide-input']))
    return new_code_cell(cell.source, outputs=shown(cell.outputs), execution_count=None)


def as_page(nb, here: Path) -> nbformat.NotebookNode:
    "A notebook as the site shows it: what is exported by its entries first, its source folded behind them."
    order = []
    for is_api, run_of in groupby(nb.cells, lambda c: 'api' in c.metadata.get('tags', [])):
        cells = list(run_of)
        # nbdev puts the last name first.
        order = [*order[:-1], *reversed(cells), order[-1]] if is_api else [*order, *cells]
    made = [c for c in (present(c, here) for c in order) if c is not None]
    return new_notebook(cells=made, metadata=nb.metadata)


def opening(path: Path) -> tuple[str, str]:
    "Title and summary of a notebook."
    text = next(c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'markdown')
    return re.search(r'^# (.+)$', text, re.M)[1], re.search(r'^> (.+)$', text, re.M)[1]


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
    return f'<nav class="flow" aria-label="Rooms">{links}</nav>'


def write_sources(src: Path, last: bool = False):
    "Everything that Sphinx reads."
    shutil.rmtree(src, ignore_errors=True)
    shutil.copytree(nbs/'images', src/'images')
    for path in notebooks():
        done = kept(path, last)
        nb = as_page(nbformat.read(done, 4) if done else preprocess(path), page(path))
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


def outside(folder: Path) -> list[str]:
    "What the pages below a folder would fetch from a network, or look for in vain."
    found = []
    # The theme leaves a template among its files that no page uses.
    for f in (p for p in folder.rglob('*') if p.suffix in {'.html', '.css'} and p.name != 'webpack-macros.html'):
        text = f.read_text(encoding='utf-8')
        used = re.findall(r'<(?:script|img|iframe|source)\b[^>]*?\bsrc="([^"]+)"',
                          text) + re.findall(r'(?:url\(|@import\s+)["\']?([^"\')]+)', text)
        used += [h for t in re.findall(r'<link\b[^>]*>', text) if re.search(r'rel="[^"]*(?:stylesheet|icon|preload)', t)
                 for h in re.findall(r'href="([^"]+)"', t)]
        found += [f'{f.relative_to(folder)}: {u}' for u in used if not u.startswith(('data:', '#'))
                  and not (f.parent/re.sub(r'[?#].*', '', u)).exists()]
    return found


def build(out: Path = site, scratch: Path = work, last: bool = False) -> int:
    "The pages; an exit status. A site that is there stays until the new one is whole."
    src, made = scratch/'site', scratch/'html'
    write_sources(src, last)
    shutil.rmtree(made, ignore_errors=True)
    if status := build_main(['-q', '-b', 'html', '-c', str(root/'tools'/'pages'), '-d', str(scratch/'doctrees'), str(src),
                             str(made)]): return status
    if bad := outside(made): sys.exit('\n'.join(['the site would fetch from elsewhere, or miss:', *bad]))
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(made, out)
    return 0


def main():
    ask = argparse.ArgumentParser(description='Build the documentation site in _docs/.')
    ask.add_argument('--run', default='*',
                     help='run only notebooks whose path below nbs/ matches, e.g. "tutorials/*"; the others show the run that is kept, or none ("" runs nothing)')
    ask.add_argument('--jobs', type=int, default=min(2, os.cpu_count() or 1), help='notebooks at a time')
    ask.add_argument('--last', action='store_true', help='take the last run of a notebook even if something changed since')
    args = ask.parse_args()
    todo = [p for p in notebooks() if fnmatch(p.relative_to(nbs).as_posix(), args.run) and not kept(p, args.last)]
    if todo: print(f'{len(todo)} notebooks to run; those that did not change since their last run are not run again', flush=True)
    if failed := run_all(todo, args.jobs): sys.exit('\n\n'.join(failed) + f'\n\n{len(failed)} notebooks failed; no site was made')
    if status := build(last=args.last): sys.exit(status)
    if bare := [p.relative_to(nbs).as_posix() for p in notebooks() if not kept(p, args.last)]:
        print(f'{len(bare)} pages show no results, since these were not run or have changed meanwhile: {", ".join(bare)}')
    print(f'the site is in {site.relative_to(root)}/: open {site.relative_to(root)}/index.html')


if __name__ == '__main__': main()
