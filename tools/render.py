"""The outputs that are committed: `python tools/render.py [PATTERN ...] [--jobs N]`, by nbclient.

A notebook keeps tables, text and small pictures, which have the alternative text that stands in their cell as `#| fig-alt: ...`;
warnings, progress bars, paths of this machine and the outputs of hidden cells are dropped, and a widget becomes a picture of itself.
What is left is what `nbdev_clean` leaves as it is.
"""
import argparse
import base64
import io
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from html import escape
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbdev.clean import clean_nb
from nbdev.config import get_config
from PIL import Image

root = Path(__file__).parents[1]
nbs = root/'nbs'
LIMIT = 300_000  # bytes of a notebook
LIGHT = 30_000   # base64 digits of a picture that keeps its size: lines and letters, which are read
KEPT = 'text/plain', 'text/html', 'text/markdown', 'text/latex', 'image/png'
WIDGET, WIDGET_STATE = 'application/vnd.jupyter.widget-view+json', 'application/vnd.jupyter.widget-state+json'
# A repr that tells a reader nothing: an object's address, or what matplotlib's functions return.
DULL = re.compile(r"^(\[?<[\w.]+[^>]* at 0x[0-9a-f]+>|<Figure size .*>|<Axes: .*>|\[?<matplotlib\..*>|Text\(.*\)|None)\]?,?$", re.S)
DATA_URI = re.compile(r'data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=]+)')


def notebooks() -> list[Path]:
    "All that are rendered: README is made from the index, which shows no results."
    found = [p for p in sorted(nbs.rglob('*.ipynb')) if not any(part.startswith(('.', '_')) for part in p.relative_to(nbs).parts)]
    return [p for p in found if p != nbs/'index.ipynb']


def directives(cell) -> set:
    "The names of nbdev's directives in a cell."
    return set(re.findall(r'^#\|\s*([\w]+)', cell.source, re.M))


def fig_alt(cell) -> dict:
    "What an output with a picture says to those who don't see it: `#| fig-alt: ...`, as in Quarto, in the place where nbconvert looks."
    found = re.search(r'^#\|\s*fig-alt:\s*(.+)$', cell.source, re.M)
    return {'image/png': {'alt': found[1].strip()}} if found else {}


def not_run(cell) -> bool:
    "As nbdev_test does: cells with `eval: false` or with one of the `tst_flags` are left out."
    return bool(re.search(r'^#\|\s*eval:\s*false', cell.source,
                          re.M | re.I)) or bool(directives(cell) & set(get_config().tst_flags.split()))


def small_png(data: bytes, longest: int) -> str:
    "An image as base64 of a PNG with at most 128 colours, which is what drawn cells and curves need."
    img = Image.open(io.BytesIO(data)).convert('RGBA')
    paper = Image.new('RGBA', img.size, 'white')
    paper.alpha_composite(img)
    img = paper.convert('RGB')
    img.thumbnail((longest, longest))
    out = io.BytesIO()
    img.quantize(128, dither=Image.Dither.NONE).save(out, 'PNG', optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def without_places(text: str, places: dict) -> str:
    "Text without the paths of this machine: `places` says what stands for each."
    for place, word in sorted(places.items(), key=lambda p: -len(p[0])): text = text.replace(place, word)
    return re.sub(r'\btmp[a-z0-9_]{8}\b', 'tmp', text)


def side_by_side(html: str) -> str:
    "Small pictures in rows, as the widgets' style sheet, which is not there, would put them."
    html = re.sub(r'<div class="(thumbs[^"]*)"', r'<div class="\1" style="display:flex;flex-wrap:wrap;gap:8px"', html)
    return re.sub(r'<figure(?![^>]*style)', '<figure style="margin:0"', html)


def as_html(model: str, state: dict) -> str:
    "A widget as it looks without Python: its texts and pictures, and its buttons and menus as plain words."
    def said(name): return state.get(name.removeprefix('IPY_MODEL_'), {}).get('state', {})
    s = said(model)
    kind, look = s.get('_model_name', ''), said(s.get('layout', ''))
    if look.get('display') == 'none': return ''
    if 'children' in s:
        inner, columns = [as_html(c, state) for c in s['children']], look.get('grid_template_columns')
        if columns: # an empty place in a grid is a place
            return f'<div style="display:grid;grid-template-columns:{columns};gap:8px">{"".join(i or "<div></div>" for i in inner)}</div>'
        across = ' style="display:flex;flex-wrap:wrap;align-items:flex-start;gap:8px"' if kind in ('HBoxModel', 'GridBoxModel') else ''
        return f'<div{across}>{"".join(inner)}</div>'
    if kind in ('HTMLModel', 'LabelModel'): return f'<div>{side_by_side(s["value"])}</div>' if s.get('value') else ''
    words = escape(str(s.get('description', '')))
    if kind in ('ButtonModel', 'FileUploadModel'):
        return f'<span style="border:1px solid #999;border-radius:4px;padding:2px 8px">{words}</span>'
    chosen = s['_options_labels'][s['index']] if s.get('_options_labels') and s.get('index') is not None else s.get('value', '')
    return f'<span>{words}: <b>{escape(str(chosen))}</b></span>' if words else ''


def fitted_png(data: bytes, longest: int) -> str:
    "A picture, made smaller only if that saves much."
    whole = small_png(data, 800)
    return whole if len(whole) < LIGHT else small_png(data, longest)


def curated(output, state: dict, places: dict, longest: int, alt: dict):
    "An output as it is committed, or None."
    if output.output_type == 'stream':
        # What a bar wrote over, and colours, are gone.
        text = re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', '\n'.join(line.rstrip('\r').rpartition('\r')[2] for line in output.text.split('\n')))
        if output.name == 'stderr' or not text.strip(): return None
        return nbformat.v4.new_output('stream', name='stdout', text=without_places(text, places))
    if output.output_type == 'error': return output
    data = dict(output.data)
    if WIDGET in data:
        shown = as_html(data[WIDGET]['model_id'], state)
        # A bar has no picture.
        data = {'text/html': shown} if shown and '%|' not in data.get('text/plain', '') else {}
    if '<script' in data.get('text/html', ''): return None  # a style sheet with its script
    data = {k: data[k] for k in KEPT if k in data}
    if DULL.match(data.get('text/plain', '').strip()): del data['text/plain']
    if 'image/png' in data: data['image/png'] = fitted_png(base64.b64decode(data['image/png']), longest) + '\n'
    for k in data.keys() - {'image/png'}: data[k] = without_places(data[k], places)
    if 'text/html' in data:
        data['text/html'] = DATA_URI.sub(lambda m: f'data:image/png;base64,{small_png(base64.b64decode(m[1]), longest//8)}',
                                         data['text/html'])
    return nbformat.v4.new_output(output.output_type, data=data, metadata=alt if 'image/png' in data else {}) if data else None


def curate(nb, places: dict, longest: int = 800):
    "A notebook that was run, as it is committed."
    made = nbformat.from_dict(nb)
    state = made.metadata.get('widgets', {}).get(WIDGET_STATE, {}).get('state', {})
    for cell in made.cells:
        if cell.cell_type != 'code': continue
        hidden = directives(cell) & {'hide', 'default_exp', 'export', 'exporti'}
        kept = [] if hidden else [curated(o, state, places, longest, fig_alt(cell)) for o in cell.outputs]
        cell.outputs = [o for o in kept if o is not None]
    made.metadata.pop('widgets', None)
    clean_nb(made, clean_ids=get_config().clean_ids)
    return made


def as_text(nb) -> str:
    "As nbdev writes it: lists of lines, sorted keys."
    return nbformat.writes(nb)


def fitting(nb, places: dict) -> str:
    "The largest pictures with which a notebook stays below the limit."
    for longest in (800, 640, 480, 360):
        text = as_text(curate(nb, places, longest))
        if len(text.encode()) < LIMIT: return text + '\n'*(not text.endswith('\n'))
    raise ValueError(f'its outputs need more than {LIMIT:,} bytes even with small pictures: show fewer rows or pictures')


def render(path: Path) -> str:
    "Run a notebook in its folder and write it with its outputs; what went wrong, or ''."
    nb = nbformat.read(path, 4)
    for c in nb.cells:
        if c.cell_type == 'code' and not_run(c): c.metadata['tags'] = ['skip-execution']
    client = NotebookClient(nb, timeout=1800, kernel_name='python3', store_widget_state=True, extra_arguments=['--log-level=ERROR'],
                            resources={'metadata': {'path': str(path.parent)}})
    places = {f'{tempfile.gettempdir()}/': '', f'{root}/': '', str(root): '.', f'{sys.prefix}/': '', str(Path.home()): '~'}
    try:
        client.execute()
        path.write_text(fitting(nb, places), encoding='utf-8')
    except (CellExecutionError, CellTimeoutError, DeadKernelError, ValueError) as e: return re.sub(r'\x1b\[[0-9;]*m', '', str(e))
    return ''


def main():
    ask = argparse.ArgumentParser(description='Run the notebooks and keep the outputs that are committed.')
    ask.add_argument('patterns', nargs='*', default=['*'], help='paths below nbs/, e.g. "tutorials/*"; default: all')
    ask.add_argument('--jobs', type=int, default=min(2, os.cpu_count() or 1), help='notebooks at a time')
    args = ask.parse_args()
    todo = [p for p in notebooks() if any(fnmatch(p.relative_to(nbs).as_posix(), pattern) for pattern in args.patterns)]
    if not todo: sys.exit(f'no notebook below nbs/ matches {" ".join(args.patterns)}')
    os.environ.update(OMP_NUM_THREADS=os.environ.get('OMP_NUM_THREADS', '1'), TF_CPP_MIN_LOG_LEVEL='2')
    os.environ.pop('MPLBACKEND', None)
    failed, began = [], time.time()
    with ThreadPoolExecutor(args.jobs) as pool:
        tasks = {pool.submit(render, p): p.relative_to(nbs.parent) for p in todo}
        for i, task in enumerate(as_completed(tasks), 1):
            if error := task.result(): failed.append(f'{tasks[task]}:\n{error}')
            print(f'[{i}/{len(todo)}, {time.time() - began:.0f} s] {tasks[task]}{" FAILED" if error else ""}', flush=True)
    if failed: sys.exit('\n\n'.join(failed) + f'\n\n{len(failed)} notebooks failed and were left as they were')


if __name__ == '__main__': main()
