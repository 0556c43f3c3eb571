"""Do the tests notice a mistake? Each mutant of tools/mutations.py is one plausible mistake, put into a copy of the package.

python tools/mutants.py                     # all of them; tests/mutants.csv says which test noticed each
python tools/mutants.py --only splits       # those whose module holds one of these words, comma between them; no table is written then

The mistake is made in the module and in the notebook's cell from which it is exported, because a notebook runs its own cells.
What has run is kept in _proc/mutants.jsonl and not run again until the mutant, its module or its test changes: interrupt it and go on.
Exits with 1 where fewer than 90 % are noticed, where one that survives has no explanation, or where a test fails without any mistake.
"""
import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import seeds
from mutations import MUTANTS

root = seeds.root
kept, table = root/'_proc'/'mutants.jsonl', root/'tests'/'mutants.csv'
WANTED = .9 # share of the mutants that the tests must notice
COPIED = 'blood_cell_cancer', 'nbs', 'tests' # everything else is linked


def module_of(notebook): # 'data/05_splits' -> 'data/splits.py'
    *room, name = notebook.split('/')
    return '/'.join([*room, name[3:] + '.py'])


def changed(text, m, where):
    "The text with the mistake in it; it must occur there exactly once."
    if text.count(m.old) != 1: raise SystemExit(f'{where}: {text.count(m.old)} times {m.old!r}: a mutant needs a text that occurs once')
    return text.replace(m.old, m.new)


def mutated(m, module, notebook):
    "Text of the module and of the notebook, with the mistake in both."
    nb = json.loads(notebook)
    cells = [c for c in nb['cells'] if m.old in ''.join(c['source']) and ''.join(c['source']).startswith('#| export')]
    if len(cells) != 1: raise SystemExit(f'{m.notebook}: {len(cells)} exported cells hold {m.old!r}')
    cells[0]['source'] = changed(''.join(cells[0]['source']), m, m.notebook)
    return changed(module, m, module_of(m.notebook)), json.dumps(nb)


def files_of(m, place): return place/'blood_cell_cancer'/module_of(m.notebook), place/'nbs'/f'{m.notebook}.ipynb'


def checkout(place):
    "A copy of the repository to make mistakes in."
    for p in root.iterdir():
        if p.name in COPIED:
            shutil.copytree(p, place/p.name, ignore=shutil.ignore_patterns('__pycache__', 'bundles', '.ipynb_checkpoints'))
        elif not p.name.startswith(('.', '_')): (place/p.name).symlink_to(p)
    (place/'blood_cell_cancer'/'bundles').symlink_to(root/'blood_cell_cancer'/'bundles')
    return place


def run_notebook(path, place) -> tuple:
    "Did it pass, and the last cell that ran."
    from nbdev.test import CaptureShell, test_nb
    plain, seen = CaptureShell.cell, ['']
    def cell(self, cell, *args, **kwargs):
        seen.append(cell.id)
        return plain(self, cell, *args, **kwargs)
    CaptureShell.cell = cell
    return test_nb(path, skip_flags=['slow'], basepath=place)[0], seen[-1]


def run_test(path, place) -> tuple:
    "The same for a file of pytest: the first test that failed."
    import pytest
    class First:
        failed = ''
        def pytest_runtest_logreport(self, report): self.failed = self.failed or report.failed and report.nodeid.split('::')[-1] or ''
    first = First()
    code = pytest.main(['-q', '-x', '-p', 'no:cacheprovider', '-p', 'no:xdist', f'--rootdir={place}', str(path)], [first])
    return code == 0, first.failed


def run(m, test, out):
    "Run a test on a copy with one mistake (or none), in this process, which was forked for it."
    home = Path(tempfile.mkdtemp(prefix='mutants-'))
    place = home/'copy'
    place.mkdir()
    try:
        checkout(place)
        if m:
            files = files_of(m, place)
            for f, text in zip(files, mutated(m, *(f.read_text(encoding='utf-8') for f in files))): f.write_text(text, encoding='utf-8')
        os.environ.update(TMPDIR=str(home), XDG_CACHE_HOME=str(home), PYTHONPATH=str(place))
        tempfile.tempdir = None
        sys.path[:] = [str(place)] + [p for p in sys.path if p != str(root)]
        os.chdir(place)
        begun, path = time.time(), place/test
        passed, where = (run_notebook if path.suffix == '.ipynb' else run_test)(path, place)
        import blood_cell_cancer
        assert Path(blood_cell_cancer.__file__).is_relative_to(place), 'the package was not imported from the copy'
    finally: shutil.rmtree(home, ignore_errors=True)
    out.write_text(json.dumps(dict(passed=bool(passed), where=where, seconds=round(time.time() - begun, 1))))


def version_of(m, test):
    "A key that changes with the mutant, its module and the code of its test."
    parts = [seeds.python_of(root/test)] + ([m.old, m.new, files_of(m, root)[0].read_text(encoding='utf-8')] if m else [])
    return seeds.sha(test, *parts)


def results() -> dict: # version -> row
    return {r['version']: r for r in map(json.loads, kept.read_text().splitlines())} if kept.exists() else {}


def rows_of(got):
    "The table: for each mutant the test that noticed it."
    for m in MUTANTS:
        runs = [(t, got.get(version_of(m, t))) for t in m.tests]
        by = next((f"{t.removeprefix('nbs/').removesuffix('.ipynb')}{'#' if t.endswith('.ipynb') else '::'}{r['where']}"
                   for t, r in runs if r and not r['passed']), None)
        done = by or all(r for _, r in runs)
        yield dict(module=module_of(m.notebook), mutant=m.why, **{'killed by': by or ('survived' if done else 'not run')},
                   seconds=sum(r['seconds'] for _, r in runs if r), remark=m.note)


def keep(version, test, m, answer, said, seconds, got):
    row = dict(version=version, test=test, mutant=m.why if m else '', **(answer or dict(passed=False, where='', seconds=seconds)))
    got[row['version']] = row
    with kept.open('a') as f: f.write(json.dumps(row) + '\n')
    how = 'survived' if row['passed'] else 'killed'
    print(f'{how if m else "passes" if row["passed"] else "FAILS"}: {test} {row["where"]} {row["mutant"]}, {row["seconds"]} s', flush=True)
    if not m and not row['passed']: print(said[-3000:], flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--only', default='')
    p.add_argument('--jobs', type=int, default=os.cpu_count())
    args = p.parse_args()
    chosen, got = [m for m in MUTANTS if any(w in m.notebook for w in args.only.split(','))], results()
    for m in MUTANTS: mutated(m, *(f.read_text(encoding='utf-8') for f in files_of(m, root))) # each has its place
    kept.parent.mkdir(exist_ok=True)
    seeds.preload()
    plain = {t: version_of(None, t) for m in chosen for t in m.tests}
    for (_, test), *answer in seeds.answers(run, [(None, t) for t, v in plain.items() if v not in got], args.jobs):
        keep(plain[test], test, None, *answer, got)
    broken = [t for t, v in plain.items() if not got[v]['passed']]
    # A mutant goes from test to test until one notices it.
    for i in range(max(len(m.tests) for m in MUTANTS)):
        todo = {(m, m.tests[i]): v for m in chosen if len(m.tests) > i and m.tests[i] not in broken and (v := version_of(m, m.tests[i])) not in got
                and all(got[version_of(m, t)]['passed'] for t in m.tests[:i] if version_of(m, t) in got)}
        for (m, test), *answer in seeds.answers(run, todo, args.jobs): keep(todo[m, test], test, m, *answer, got)
    rows = list(rows_of(got))
    if not args.only:
        with open(table, 'w', newline='', encoding='utf-8') as f:
            w = csv.DictWriter(f, list(rows[0]), lineterminator='\n')
            w.writeheader()
            w.writerows(rows)
    rows = [r for r, m in zip(rows, MUTANTS) if m in chosen]
    left = [r for r in rows if r['killed by'] == 'survived']
    killed = len(rows) - len(left) - sum(r['killed by'] == 'not run' for r in rows)
    for r in left: print(f"survived: {r['module']}: {r['mutant']}{' (' + r['remark'] + ')' if r['remark'] else ''}")
    if broken: print('fail without any mistake:', ', '.join(broken))
    print(f'{killed} of {len(rows)} mutants were noticed by the tests')
    sys.exit(bool(broken or killed < WANTED*len(rows) or any(not r['remark'] for r in left)))


if __name__ == '__main__': main()
