"The page of promises names tests that exist, and what it says of the list of packages is so."
import ast
import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

root = Path(__file__).parents[1]
sys.path.append(str(root/'tools'))
import mutants

FILE, CELL = re.compile(r'`(tests/\w+\.py)::(\w+)`'), re.compile(r'`([a-z]+(?:/\w+)+)#([0-9a-z]+)`')


def text(): return (root/'PROMISES.md').read_text(encoding='utf-8')


def functions(file): return {n.name for n in ast.parse((root/file).read_text(encoding='utf-8')).body if isinstance(n, ast.FunctionDef)}


def asserting(notebook) -> set: # ids of the cells that are run and assert something
    cells = json.loads((root/'nbs'/f'{notebook}.ipynb').read_text(encoding='utf-8'))['cells']
    return {c['id'] for c in cells if c['cell_type'] == 'code' and not ''.join(c['source']).startswith('#| export')
            and re.search(r'\bassert\b|\btest_\w+\(|\.assert_', ''.join(c['source']))}


def test_every_named_test_exists():
    named = FILE.findall(text())
    assert len(named) > 30 and not [n for n in named if n[1] not in functions(n[0])]
    cells = CELL.findall(text())
    assert len(cells) > 40 and not [c for c in cells if c[1] not in asserting(c[0])]
    sections = re.split(r'^## ', text(), flags=re.M)[1:]
    assert [s.split('.')[0] for s in sections] == [str(i) for i in range(1, 11)]
    for s in sections: assert FILE.search(s) or CELL.search(s), s.splitlines()[0]


def rows_of(name):
    with open(root/'tests'/name, encoding='utf-8', newline='') as f: return list(csv.DictReader(f))


def test_most_mistakes_are_noticed():
    rows = rows_of('mutants.csv')
    left = [m for m in rows if m['killed by'] == 'survived']
    assert len(rows) >= 63 and not any(m['killed by'] == 'not run' for m in rows)
    assert len(left) <= .1*len(rows) and all(m['remark'] for m in left), left


def test_no_kill_changed_a_result():
    kills = rows_of('kills.csv')
    assert kills and all(k['runs that ended'] == k['with the same result'] for k in kills), kills


def test_long_runs_stay_as_large_as_they_were():
    "Of the table that `make long-runs` wrote: a tenth is what Python's heap and TensorFlow's retracing vary by, and a leak of 2 kB an image would be 100 MB."
    runs = {r['run']: r for r in rows_of('long_runs.csv')}
    assert (int(runs['predict']['number']), int(runs['fastai']['number']), int(runs['keras']['number'])) == (100_000, 50, 50)
    for r in runs.values(): assert int(r['measurements']) >= 45 and int(r['MB late']) < 1.1*int(r['MB early']), r


def test_every_mutant_still_has_its_place():
    for m in mutants.MUTANTS: mutants.mutated(m, *(f.read_text(encoding='utf-8') for f in mutants.files_of(m, root)))
    assert len({(m.notebook, m.why) for m in mutants.MUTANTS}) == len(mutants.MUTANTS)


@pytest.mark.skipif(not which('make'), reason='make is not installed')
def test_the_list_of_packages_is_written_from_the_lock():
    said = subprocess.run(['make', '-n', 'sbom'], cwd=root, capture_output=True, text=True)
    assert said.returncode == 0 and re.search(r'--from cyclonedx-bom==[\d.]+ cyclonedx-py requirements requirements/base.txt ', said.stdout)
