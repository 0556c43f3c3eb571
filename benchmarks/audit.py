"""The audit by number of images: seconds, work of the cores, memory, and what it finds.

    python benchmarks/audit.py                              # 1,000, 10,000 and 100,000 drawn images; an hour on two calm cores
    python benchmarks/audit.py --files 1000                 # these numbers only; other rows keep their last figures
    python benchmarks/audit.py --data ball4 --before FOLDER # a data set in BLOOD_CELLS_DATA, by an older checkout in FOLDER, then by this one

Writes benchmarks/results/audit.json and audit.md. Every run is a process of its own.

The drawn images are windows of 160 pixels of drawn fields of 320 pixels. Nineteen views of each field are taken, each turned by another
multiple of 8 degrees up to 144, and enlarged by 1, 1.2 or 1.45 in turn, so that no view is a copy or a shifted picture of another one. Every nineteenth
image has a partner with known truth: a second window of the same view, shifted by 20 to 40 % of the width in one or both directions, with
noise and JPEG quality of its own. All other pairs that are found are false. They have two classes, in turn.
"""
import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from machine import cpu_name, peak_mb, versions

RESULTS = Path(__file__).parent/'results'
VIEWS, DRAWN, SIZE = 19, 320, 160
CLASSES = 'early_pre_b', 'pro_b'


# ---- drawn images

def window(scene, view, shift, rng):
    "A view of a field, as JPEG bytes: turned, enlarged, shifted, with noise."
    import cv2
    turn = cv2.getRotationMatrix2D((DRAWN/2, DRAWN/2), 8*view, (1, 1.2, 1.45)[view % 3])
    turn[:, 2] += SIZE/2 - DRAWN/2 - np.array(shift)
    a = cv2.warpAffine(scene, turn, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    a = np.clip(a + rng.normal(0, 2, a.shape), 0, 255).astype(np.uint8)
    return cv2.imencode('.jpg', a[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(80, 96))])[1].tobytes()


def draw(folder, n):
    "n images in folders of two classes, and truth.csv: pairs that overlap, and the common part."
    from blood_cell_cancer.core.io import read_image
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    rng, scenes = np.random.default_rng(1), -(-n//VIEWS)
    names = make_phantoms(folder/'drawn', 'fields', n={c: -(-scenes//2) for c in CLASSES}, seed=7, size=DRAWN)['name'].tolist()
    pairs, files = [], 0
    for k, view in ((k, v) for k in range(scenes) for v in range(VIEWS)):
        if view == 0: scene = np.asarray(read_image(folder/'drawn'/names[k]))
        if files >= n: break
        # Windows are centred between -half and +half of the shift, and stay inside the field.
        way = rng.permutation([rng.uniform(.2, .4), rng.choice([0, rng.uniform(.2, .4)])])*rng.choice([-1, 1], 2)*SIZE
        shifts = [-way/2, way/2] if files % VIEWS == 0 and files + 1 < n else [np.zeros(2)]
        place = folder/'images'/CLASSES[k % 2]/f'{files//1000:03}'
        place.mkdir(parents=True, exist_ok=True)
        made = [place/f'{files + m:06}.jpg' for m in range(len(shifts))]
        for file, shift in zip(made, shifts): file.write_bytes(window(scene, view, shift, rng))
        if len(made) == 2: pairs.append((*[f.relative_to(folder/'images').as_posix() for f in made], float(np.prod(1 - abs(way)/SIZE))))
        files += len(made)
    (folder/'truth.json').write_text(json.dumps(pairs))
    return folder/'images'


# ---- one run, in a process of its own

def own_mb():
    "Memory of this process that is not files."
    try: return int(next(line.split()[1] for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('RssAnon')))/1024
    except (OSError, StopIteration): return peak_mb()


def watch(peak):
    while True:
        peak[0] = max(peak[0], own_mb())
        time.sleep(.2)


def one(folder, out):
    import inspect
    from blood_cell_cancer.data.audit.report import audit
    from blood_cell_cancer.data.datasets import folder_images
    start, peak = time.perf_counter(), [0.]
    images = folder_images(folder, classes='folders', progress=False)
    table = time.perf_counter() - start
    threading.Thread(target=watch, args=(peak,), daemon=True).start()
    more = dict(folder=out/'work') if 'folder' in inspect.signature(audit).parameters else {}
    used = lambda: sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    before, start = used(), time.perf_counter()
    found = audit(images, progress=False, **more)
    seconds, work = time.perf_counter() - start, used() - before
    for k, d in found.pairs.items(): d.to_csv(out/f'{k}.csv', index=False)
    found.groups[['name', 'group']].to_csv(out/'groups.csv', index=False)
    print(json.dumps(dict(images=len(images), table_seconds=table, seconds=seconds, core_seconds=work, own_mb=peak[0], mb=peak_mb(),
                          sections={s.name: round(s.seconds, 1) for s in found.sections}, verdicts={s.name: s.verdict for s in found.sections},
                          pairs={k: len(d) for k, d in found.pairs.items()}, grouped=int((found.groups['group'] != '').sum()),
                          groups=int(found.groups['group'].loc[lambda g: g != ''].nunique()))))


def measured(folder, out, checkout=None):
    "A run of this checkout, or of another one."
    out.mkdir(parents=True)
    env = os.environ | dict(PYTHONPATH=str(checkout or Path(__file__).parents[1]), OMP_WAIT_POLICY='passive', PYTHONWARNINGS='ignore')
    done = subprocess.run([sys.executable, __file__, '--one', folder, '--place', out], stdout=subprocess.PIPE, text=True, check=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def pairs_of(out, kind='overlaps'):
    import pandas as pd
    d = pd.read_csv(out/f'{kind}.csv')
    return {frozenset(p) for p in zip(d['a'], d['b'])}


def row(place, n):
    "A row of the table: n drawn images."
    folder = draw(place/f'n{n}', n)
    got = measured(folder, place/f'out{n}')
    truth = {frozenset(p[:2]): p[2] for p in json.loads((folder.parent/'truth.json').read_text())}
    found = pairs_of(place/f'out{n}')
    bands = [(lo, hi, [p in found for p, o in truth.items() if lo <= o < hi]) for lo, hi in ((.3, .5), (.5, .65), (.65, .81))]
    shutil.rmtree(folder.parent)
    return got | dict(known=len(truth), right=len(found & set(truth)), false=len(found - set(truth)),
                      recall=[(lo, hi, sum(hit), len(hit)) for lo, hi, hit in bands])


def compared(place, name, before):
    "A data set by an older checkout and by this one."
    folder = Path(os.environ['BLOOD_CELLS_DATA'])/name
    runs = {who: measured(folder, place/who, checkout) for who, checkout in (('before', before), ('now', None))}
    was, now = pairs_of(place/'before'), pairs_of(place/'now')
    return runs | dict(both=len(was & now), lost=len(was - now), gained=len(now - was),
                       duplicates_equal=pairs_of(place/'before', 'duplicates') == pairs_of(place/'now', 'duplicates'))


# ---- the page

def table(head, rows): return '\n'.join('| ' + ' | '.join(map(str, r)) + ' |' for r in (head, ['---']*len(head), *rows)) + '\n'


def cells(r):
    slow = ', '.join(f'{k} {v:.0f}' for k, v in sorted(r['sections'].items(), key=lambda kv: -kv[1])[:4])
    return [f'{r["images"]:,}', f'{r["seconds"]:,.0f}', f'{1000*r["core_seconds"]/r["images"]:.1f}', f'{r["own_mb"]:,.0f}', f'{r["mb"]:,.0f}', slow]


HEAD = ['images', 'seconds', 'work of the cores for one image, ms', 'memory, MB', 'with mapped files, MB', 'longest sections, seconds']


def page(got):
    out = ['# The audit by number of images\n', '<!-- written by benchmarks/audit.py -->\n']
    if got['rows']:
        rows = [got['rows'][k] for k in sorted(got['rows'], key=int)]
        out += [table([*HEAD, 'known overlaps found', 'other pairs found'], [[*cells(r), f'{r["right"]:,} of {r["known"]:,}', r['false']] for r in rows])]
        out += [' '.join(__doc__.split('\n\n')[-1].split()) + '\n']
        bands = lambda r: [f'{hit} of {n}' for _, _, hit, n in r['recall']]
        names = [f'{lo:.0%} to {hi:.0%} shared' for lo, hi, *_ in rows[0]['recall']]
        out += [table(['known overlaps found, of images', *names], [[f'{r["images"]:,}', *bands(r)] for r in rows])]
    for name, c in got['data'].items():
        out += [f'## {name}, before and now\n', table(['', *HEAD, 'duplicates', 'overlaps', 'images in groups'], [
            [who, *cells(c[who]), c[who]['pairs']['duplicates'], c[who]['pairs']['overlaps'], f'{c[who]["grouped"]:,} in {c[who]["groups"]:,}']
            for who in ('before', 'now')])]
        out += [f'Of the overlaps before, {c["both"]:,} are found again and {c["lost"]:,} are not; {c["gained"]:,} are new. The duplicates are '
                f'{"the same" if c["duplicates_equal"] else "not the same"}. Before, all pairs were compared.\n']
    return '\n'.join([*out, '## Machine\n', ', '.join(f'{k} {v}' for k, v in got['machine'].items()) + '\n'])


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--files', nargs='*', type=int, help='numbers of drawn images (1,000, 10,000 and 100,000)')
    a.add_argument('--data', help='a folder in BLOOD_CELLS_DATA')
    a.add_argument('--before', type=Path, help='an older checkout')
    a.add_argument('--out', type=Path, default=RESULTS)
    for name in ('--one', '--place'): a.add_argument(name, type=Path, help=argparse.SUPPRESS)
    args = a.parse_args()
    if args.one: return one(args.one, args.place)
    if bool(args.data) != bool(args.before): a.error('--data and --before belong together')
    args.out.mkdir(parents=True, exist_ok=True)
    kept, place = args.out/'audit.json', Path(mkdtemp(prefix='audit-'))
    got = json.loads(kept.read_text()) if kept.exists() else dict(rows={}, data={})
    files = args.files if args.files is not None else [] if args.data else [1_000, 10_000, 100_000]
    def keep(part, key, value):
        got[part][key] = value | dict(date=time.strftime('%Y-%m-%d'), load=os.getloadavg()[0])
        got['machine'] = dict(cpu=cpu_name(), cores=os.cpu_count(), python=platform.python_version(),
                              **versions('numpy', 'opencv-python-headless', 'scikit-learn', 'pandas'))
        kept.write_text(json.dumps(got, indent=1))
        (args.out/'audit.md').write_text(page(got))
        print(key, value, flush=True)
    try:
        for n in files: keep('rows', str(n), row(place, n))
        if args.data: keep('data', args.data, compared(place, args.data, args.before))
    finally: shutil.rmtree(place)


if __name__ == '__main__': main()
