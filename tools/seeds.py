"""Run what depends on a seed under many values of `BLOOD_CELLS_SEED`, and measure by how much each assertion holds.

python tools/seeds.py                       # twenty seeds; one line per seed in tests/seeds.log
python tools/seeds.py --margins             # from ten of them: tests/margins.csv; fails where a margin is below four standard deviations
python tools/seeds.py --only data/09,test_keras --seeds 3 # those whose path holds one of these words; no log is written then

What has run is kept in _proc/seeds.jsonl and not run again until it, or a module that it needs, changes: interrupt it and go on as you like.
One process imports torch and its friends once and forks for each run; the package itself is imported after the fork, under the seed.
"""
import argparse
import ast
import hashlib
import json
import operator
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

root = Path(__file__).parents[1]
kept, log, table = root/'_proc'/'seeds.jsonl', root/'tests'/'seeds.log', root/'tests'/'margins.csv'
drawn = root/'_proc'/'seeds_drawn'
SEEDS, MEASURED, ENOUGH = range(20), 10, 4 # seeds in all, those that margins come from, standard deviations
# Assertions of a quantity that the seed moves, but not beyond its bounds, and why.
HOLDS = {'data/07_preprocess.ipynb#c018: test_close(len(CropCell(2.56)(Image.fromarray(cell)).getdata()) ** 0.5, 0.8 * len(crop), eps=2)': 'both sides are rounded to whole pixels',
         'data/12_keypoints.ipynb#k007: there.max() < 112 - MARGIN': 'no point is taken nearer to an edge',
         'evaluate/05_external.ipynb#c012: f.home[0] <= f.home[2]': 'an interval holds its estimate',
         'data/phantoms/02_make.ipynb#c027: 0.2 * 224 - 1 <= max(abs(o.shift_x), abs(o.shift_y))': 'drawn from an interval',
         'data/phantoms/02_make.ipynb#c027: max(abs(o.shift_x), abs(o.shift_y)) <= 0.5 * 224 + 1': 'drawn from an interval',
         'evaluate/04_calibration.ipynb#ae036df3: box.x1 <= fig.bbox.x1': 'the layout leaves room, whatever is drawn',
         'models/12_convert.ipynb#c043: layer.running_var.min() >= 0.5': 'drawn from an interval',
         'use/01_stream.ipynb#c049: 0 < left': 'four images are written at a time',
         'use/01_stream.ipynb#c049: left < 25': 'the process ends at the 25th image',
         'use/app/07_train.ipynb#c017: 1 <= len(t.history())': 'stopped once an epoch is finished',
         'use/app/05_classify.ipynb#c015: p.probs[0][1] >= p.probs[1][1]': 'sorted',
         "test_evaluate_pages.py: -1 < heading.bounding_box()['y']": 'pages are scrolled by whole pixels'}
LIMIT = 1500 # seconds a run may take
# A browser, a cluster, the documentation, downloads, sockets, start-up, logs and the files of the repository show nothing that a seed
# decides; the notebooks are run by themselves.
ELSEWHERE = {f'test_{name}.py' for name in ('use_browser', 'use_ray', 'use_output', 'docs', 'downloads', 'offline', 'models_keras_setup', 'docker', 'lock', 'rooms',
                                            'cards', 'promises', 'rendered', 'notebooks', 'lessons', 'seeds')}
# What the lessons assert stands in this test, which runs them.
LESSONS, TEST_OF_LESSONS = ('tutorials', 'guides', 'case_studies', 'studies'), root/'tests'/'test_lessons.py'


# What a seed reaches: whatever mentions `SEED`, or mentions something that does.
def names_in(tree): return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {n.attr for n in ast.walk(tree)
                                                                                        if isinstance(n, ast.Attribute)}


def defined(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)): return [node.name]
    return [t.id for t in node.targets if isinstance(t, ast.Name)] if isinstance(node, ast.Assign) else []


def seeded_names() -> set:
    "Names of the package whose result may hang on the default seed, and of libraries that draw without one."
    parts = [(defined(n), {m.id for m in ast.walk(n) if isinstance(m, ast.Name)}) for p in (root/'blood_cell_cancer').rglob('*.py')
             for n in ast.parse(p.read_text(encoding='utf-8')).body]
    hit = {'SEED', 'rand', 'randn'}
    while more := {name for names, used in parts if used & hit for name in names} - hit: hit |= more
    return hit


def python_of(path: Path) -> str:
    "The code of a test, or that of a notebook's cells that are not exported."
    if path.suffix == '.py': return path.read_text(encoding='utf-8')
    from IPython.core.inputtransformer2 import TransformerManager
    cells = [''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code']
    return '\n'.join(TransformerManager().transform_cell(s) for s in cells if not s.startswith('#| export'))


def reached() -> list:
    "Notebooks and tests that a seed reaches."
    hit = seeded_names()
    files = [p for p in sorted((root/'nbs').rglob('[!._]*.ipynb'))
             if '.ipynb_checkpoints' not in p.parts] + sorted((root/'tests').glob('test_*.py'))
    code = {p: python_of(p) for p in files if p.name not in ELSEWHERE}
    return [p for p, s in code.items() if names_in(ast.parse(s)) & hit or any(f'{n}(' in s for n in hit)]


def asserted_of(lesson: Path) -> str:
    "The function of `test_lessons.py` that looks at what a lesson computed."
    return next(ast.unparse(n) for n in ast.parse(python_of(TEST_OF_LESSONS)).body if getattr(n, 'name', '') == lesson.stem[3:])


# By how much an assertion holds.
OPS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
measured = {}


def note(text, left, right, less):
    "Keep the narrowest of the margins seen under this text."
    import numpy as np
    try: left, right = np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float))
    except (TypeError, ValueError, RuntimeError): return
    if not left.size: return
    margin = right - left if less else left - right
    i = np.argmin(margin)
    now = float(margin.flat[i]), float(left.flat[i]), float(right.flat[i])
    measured[text] = min(measured.get(text, now), now)


def compared(texts, ops, *values):
    "What the comparison would have said."
    said = True
    for text, op, a, b in zip(texts, ops, values, values[1:]):
        note(text, a, b, op in ('Lt', 'LtE'))
        said = OPS[getattr(ast, op)](a, b)
        if len(ops) > 1 and not said: break
    return said


def close(text, a, b, eps=1e-5):
    "`test_close`, noted."
    import numpy as np
    from fastcore.test import test_close
    try: note(text, np.abs(np.asarray(a, float) - np.asarray(b, float)).max(), eps, True)
    except (TypeError, ValueError, RuntimeError): pass
    test_close(a, b, eps=eps)


class Watch(ast.NodeTransformer):
    "Comparisons in assertions note their two sides. What hypothesis draws is left alone: that is a property and no sample."
    def __init__(self, where): self.where, self.on = where, False

    def visit_FunctionDef(self, node):
        given = any(getattr(getattr(d, 'func', d), 'id', '') == 'given' for d in node.decorator_list)
        return node if given else self.generic_visit(node)

    def visit_Assert(self, node):
        self.on = True
        node.test = self.visit(node.test)
        self.on = False
        return node

    def visit_Subscript(self, node): return node # what is selected is not asserted

    def visit_Compare(self, node):
        if not self.on or not all(type(o) in OPS for o in node.ops): return self.generic_visit(node)
        sides = [node.left, *node.comparators]
        texts = tuple(f'{self.where}: {ast.unparse(ast.Compare(a, [o], [b]))}' for a, o, b in zip(sides, node.ops, sides[1:]))
        self.generic_visit(node)
        return self.call('compared', ast.Constant(texts), ast.Constant(tuple(type(o).__name__ for o in node.ops)), node.left,
                         *node.comparators)

    def visit_Call(self, node):
        text = f'{self.where}: {ast.unparse(node)}'
        self.generic_visit(node)
        if getattr(node.func, 'id', '') != 'test_close': return node
        return self.call('close', ast.Constant(text), *node.args, keywords=node.keywords)

    def call(self, name, *args, keywords=()): return ast.Call(ast.Name(f'_seeds_{name}', ast.Load()), list(args), list(keywords))


def watched(code, where):
    "Python that also measures."
    return ast.unparse(ast.fix_missing_locations(Watch(where).visit(ast.parse(code))))


HOOKS = dict(_seeds_compared=compared, _seeds_close=close)


def run_notebook(path) -> tuple:
    "Did it pass, and its measurements."
    from IPython.core.inputtransformer2 import TransformerManager
    from nbdev.test import CaptureShell, test_nb
    plain, where = CaptureShell.cell, path.relative_to(root/'nbs').as_posix()
    def cell(self, cell, *args, **kwargs):
        if cell.cell_type == 'code':
            self.user_ns.update(HOOKS)
            cell.source = watched(TransformerManager().transform_cell(cell.source), f'{where}#{cell.id}')
        return plain(self, cell, *args, **kwargs)
    CaptureShell.cell = cell
    return test_nb(path, skip_flags=['slow'], basepath=root)[0]


def run_test(path, only='') -> bool:
    "The same for a file of pytest, or a test in it: it is run as a copy that measures."
    import builtins
    import pytest
    # Beside it lies what lies beside it in the repository, for tests read other files too.
    place = Path(tempfile.mkdtemp())
    copy = place/'tests'
    copy.mkdir()
    for near, at in ((root, place), (root/'tests', copy)):
        for p in near.iterdir():
            if p not in (root/'tests', path): (at/p.name).symlink_to(p)
    for name, f in HOOKS.items(): setattr(builtins, name, f)
    (copy/path.name).write_text(watched(path.read_text(encoding='utf-8'), path.name), encoding='utf-8')
    return pytest.main(['-q', '--assert=plain', '-p', 'no:cacheprovider', f'--rootdir={copy}', f'{copy/path.name}{only}']) in (0, 5)


def run_lesson(path) -> bool:
    name = path.stem if path.parent.name == LESSONS[0] else f'{path.parent.name}/{path.stem}'
    return run_test(TEST_OF_LESSONS, f'::test_lesson[{name}]')


def draw_once(seed):
    "The runs under one seed share the phantoms that they draw; those of other seeds but the one before go."
    from joblib import Memory
    from blood_cell_cancer.data.phantoms import make
    for old in drawn.glob('*'):
        if int(old.name) < seed - 1: shutil.rmtree(old, ignore_errors=True)
    make._one = Memory(drawn/str(seed), verbose=0).cache(make._one)


def run(path, seed, out):
    "One run in this process, which was forked for it."
    os.environ['BLOOD_CELLS_SEED'] = str(seed)
    home = Path(tempfile.mkdtemp(prefix='seeds-'))
    os.environ.update(TMPDIR=str(home), XDG_CACHE_HOME=str(home))
    tempfile.tempdir = None
    import numpy as np
    import torch
    for draw in (random.seed, np.random.seed, torch.manual_seed): draw(seed)
    draw_once(seed)
    begun = time.time()
    try: passed = run_lesson(path) if path.parent.name in LESSONS else run_notebook(path) if path.suffix == '.ipynb' else run_test(path)
    finally: shutil.rmtree(home, ignore_errors=True)
    out.write_text(json.dumps(dict(passed=bool(passed), seconds=round(time.time() - begun, 1),
                                   measured={k: v[1:] for k, v in measured.items()})))


def fork(job, *args):
    "Start `job(*args, file)` in a process of its own: its id, and the folder in which it answers."
    out = Path(tempfile.mkdtemp(prefix='seeds-'))
    pid = os.fork()
    if pid: return pid, out
    os.setsid()
    said = os.open(out/'said.txt', os.O_CREAT | os.O_WRONLY)
    for stream in (1, 2): os.dup2(said, stream)
    try: job(*args, out/'result.json')
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def answers(job, todo, jobs=1):
    "Run `job` with each arguments of `todo` in a forked process, `jobs` at a time: arguments, the JSON it wrote or None, what it said, seconds."
    todo, running = list(todo), {}
    while todo or running:
        while todo and len(running) < jobs:
            args = todo.pop(0)
            pid, out = fork(job, *args)
            running[pid] = args, out, time.time()
        for pid in [p for p, (*_, begun) in running.items() if time.time() - begun > LIMIT]: os.killpg(pid, 9)
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if not pid:
            time.sleep(.2)
            continue
        args, out, begun = running.pop(pid)
        answer, said = out/'result.json', (out/'said.txt').read_text(errors='replace')
        yield args, json.loads(answer.read_text()) if answer.exists() else None, said, round(time.time() - begun, 1)
        shutil.rmtree(out, ignore_errors=True)


def preload():
    "What most runs import, but nothing of the package."
    os.environ.update(OMP_NUM_THREADS='1', OMP_WAIT_POLICY='passive', MPLBACKEND='agg', TF_CPP_MIN_LOG_LEVEL='2', IN_TEST='1',
                      PYTHONPATH=str(root))
    sys.path[:0] = [str(root), str(root/'tools')]
    from importlib import import_module
    for name in ('triton', 'torch', 'fastai.vision.all', 'timm', 'tensorflow', 'keras', 'cv2', 'pandas', 'scipy.stats', 'scipy.ndimage', 'sklearn.ensemble',
                 'sklearn.metrics', 'sklearn.decomposition', 'matplotlib.pyplot',
                 'captum.attr', 'hypothesis', 'safetensors.torch', 'imagehash', 'nbdev.test', 'cleanlab.filter', 'pytest', 'jinja2',
                 'typer'):
        try: import_module(name)
        except ImportError: pass
    assert not any(m.startswith('blood_cell_cancer') for m in sys.modules), 'the package was imported before its seed was set'


# What has run.
def sha(*texts): return hashlib.sha256('\0'.join(texts).encode()).hexdigest()[:16]


def modules_in(code: str, here: str = '') -> set:
    "Modules of the package that Python code names: in imports, also relative ones of the module `here`, and as text, for some are imported by name."
    places, named = here.split('.')[:-1], set()
    for n in ast.walk(ast.parse(code)):
        if isinstance(n, ast.Import): named |= {a.name for a in n.names}
        elif isinstance(n, ast.ImportFrom):
            base = '.'.join([*places[:len(places) - n.level + 1], *filter(None, [n.module])]) if n.level else n.module
            named |= {base, *(f'{base}.{a.name}' for a in n.names)}
        elif isinstance(n, ast.Constant) and '.' in str(n.value): # also code that is run in a process of its own
            named |= {f'blood_cell_cancer.{n.value}', *re.findall(r'blood_cell_cancer[.\w]+', str(n.value))}
    return {n for n in named if str(n).startswith('blood_cell_cancer')}


def exported_to(path) -> set:
    "The module that a notebook is exported to."
    return {f'blood_cell_cancer.{m}' for m in re.findall(r'#\| *default_exp +([\w.]+)', path.read_text(encoding='utf-8'))} if path.suffix == '.ipynb' else set()


def versions(files) -> dict:
    "A key for each file that changes with its code, and with that of the modules which it needs."
    text = {'.'.join(p.relative_to(root).with_suffix('').parts): p.read_text(encoding='utf-8') for p in (root/'blood_cell_cancer').rglob('*.py')
            if p.name not in ('_modidx.py', '__init__.py')}
    code = {m: sha(ast.dump(ast.parse(t))) for m, t in text.items()}
    needs = {m: modules_in(t, m) & text.keys() for m, t in text.items()}
    def key(path):
        # The front door, and a test that starts the command line, reach everything.
        own = python_of(path) + (asserted_of(path) if path.parent.name in LESSONS else '')
        seen = set(text) if re.search(r'import blood_cell_cancer\b(?!\.)|blood_cell_cancer\.all', own) else set()
        more = (modules_in(own) | exported_to(path)) & text.keys()
        while more:
            seen |= more
            more = {n for m in more for n in needs[m]} - seen
        return sha(own, *(code[m] for m in sorted(seen)))
    return {p: key(p) for p in files}


def name_of(path): return path.relative_to(root).as_posix()


def results(version) -> dict:
    "(path, seed) -> what was kept of its last run."
    current, got = {name_of(p): v for p, v in version.items()}, {}
    for line in kept.read_text().splitlines() if kept.exists() else ():
        row = json.loads(line)
        if current.get(row['where']) == row['version']: got[root/row['where'], row['seed']] = row
    return got


def write_log(files, got):
    "One line for each seed that is done."
    lines = [f'# {len(files)} notebooks and tests that a seed reaches, but for those of browser, cluster, documentation, downloads, processes and files (ELSEWHERE in tools/seeds.py)']
    for seed in SEEDS:
        rows = [got.get((p, seed)) for p in files]
        if None in rows: continue
        bad = [r['where'] for r in rows if not r['passed']]
        lines.append(f'seed {seed}: {len(rows) - len(bad)} passed, {len(bad)} failed, {sum(r["seconds"] for r in rows):.0f} s' + ''.join(f'\n    {w}' for w in bad))
    log.write_text('\n'.join(lines) + '\n')


def width(pairs) -> tuple:
    """By how much the first number of each pair exceeds the second, and the mean of that in standard deviations: of the difference, or, where
    neither is negative, of one less the ratio of the second to the first, whichever varies less. A ratio suits what spans decades, and tells
    nothing where the second is always 0."""
    differences = [a - b for a, b in pairs]
    ratios = [1 - b/a for a, b in pairs if a > 0 and b >= 0] if any(b for _, b in pairs) else []
    scales = [m for m in (differences, ratios) if len(m) == len(pairs) > 1]
    return differences, max((statistics.mean(m)/sd if (sd := statistics.stdev(m)) else float('inf') for m in scales), default=0.)


def write_margins(files, got):
    "The table of what varies with the seed: True where every margin is wide enough."
    import pandas as pd
    rows = []
    for p in files:
        runs = [got[p, s]['measured'] for s in SEEDS[:MEASURED] if (p, s) in got]
        for text in dict.fromkeys(k for r in runs for k in r):
            sides = [r[text] for r in runs if text in r]
            left, right = zip(*sides)
            where, asked = text.split(': ', 1)
            less = asked.startswith('test_close') or ast.unparse(ast.parse(asked)).count('<') > 0 and isinstance(ast.parse(asked,
                    mode='eval').body.ops[0], (ast.Lt, ast.LtE))
            margin, widest = width([(b, a) if less else (a, b) for a, b in sides])
            if len(runs) < 2 or len(set(margin)) == 1: continue # the same under every seed: no sample
            value, threshold = (left, right[0]) if len(set(right)) == 1 else (right, left[0]) if len(set(left)) == 1 else (margin, 0.)
            rows.append(dict(where=where, assertion=asked, seeds=len(margin), threshold=threshold, mean=statistics.mean(value),
                             sd=statistics.stdev(value), worst=min(margin), margin_in_sd=widest, holds_because=HOLDS.get(text, '')))
    d = pd.DataFrame(rows)
    for c in ('threshold', 'mean', 'sd', 'worst'): d[c] = d[c].map(lambda v: f'{v:.4g}')
    narrow = d[(d['margin_in_sd'] < ENOUGH) & (d['holds_because'] == '')]
    if gone := HOLDS.keys() - set(d['where'] + ': ' + d['assertion']): print(f'HOLDS names what is measured no longer: {sorted(gone)}')
    d.assign(margin_in_sd=d['margin_in_sd'].map(lambda v: f'{v:.1f}')).to_csv(table, index=False)
    print(f'{len(d)} measured quantities in {table.relative_to(root)}, {len(narrow)} with less than {ENOUGH} standard deviations')
    print(narrow[['where', 'assertion', 'margin_in_sd']].to_string(index=False, max_colwidth=110) if len(narrow) else '')
    return not len(narrow)


def run_all(todo, version, got, jobs):
    "Run in `jobs` processes at a time; each result is kept at once."
    kept.parent.mkdir(exist_ok=True)
    for (path, seed), answer, said, seconds in answers(run, todo, jobs):
        got[path, seed] = row = dict(where=name_of(path), seed=seed, version=version[path],
                                     **(answer or dict(passed=False, seconds=seconds, measured={})))
        print(f'seed {seed}: {row["where"]} {"passed" if row["passed"] else "FAILED"}, {row["seconds"]} s', flush=True)
        if not row['passed']: print(said[-3000:], flush=True)
        with kept.open('a') as f: f.write(json.dumps(row) + '\n')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--only', default='')
    p.add_argument('--seeds', type=int, default=len(SEEDS))
    p.add_argument('--jobs', type=int, default=os.cpu_count())
    p.add_argument('--margins', action='store_true')
    p.add_argument('--list', action='store_true')
    args = p.parse_args()
    files = [p for p in reached() if any(w in name_of(p) for w in args.only.split(','))]
    if args.list: return print('\n'.join(map(name_of, files)))
    version = versions(files)
    got = results(version)
    if args.margins: sys.exit(not write_margins(files, got))
    todo = [(p, s) for s in SEEDS[:args.seeds] for p in files if (p, s) not in got]
    preload()
    try: run_all(todo, version, got, args.jobs)
    finally:
        if not args.only: write_log(files, got)
    failed = sum(not got[p, s]['passed'] for s in SEEDS[:args.seeds] for p in files)
    print(f'{args.seeds} seeds, {len(files)} notebooks and tests: {args.seeds*len(files) - failed} passed, {failed} failed')
    sys.exit(bool(failed))


if __name__ == '__main__': main()
