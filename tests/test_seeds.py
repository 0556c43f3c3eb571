"What measures the margins changes no assertion; and what `make test-seeds` found."
import csv
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]/'tools'))
import seeds

CODE = """
for x in xs:
    assert .2 < x < 1 and len(name) >= 3, 'no'
test_close(np.array([1., 2.]), [1., 2.001], eps=.01)
@given(3)
def f(): assert 1 < 2
"""


def run(xs):
    seeds.measured.clear()
    exec(seeds.watched(CODE, 'here'), dict(xs=xs, name='abc', np=np, given=lambda n: lambda f: f, **seeds.HOOKS))
    return {k: tuple(round(v, 6) for v in w) for k, w in seeds.measured.items()}


def test_the_narrowest_margin_and_both_sides_are_kept():
    assert run([.5, .3, .9]) == {'here: 0.2 < x': (.1, .2, .3), 'here: x < 1': (.1, .9, 1), 'here: len(name) >= 3': (0, 3, 3),
                                 'here: test_close(np.array([1.0, 2.0]), [1.0, 2.001], eps=0.01)': (.009, .001, .01)}


@pytest.mark.parametrize('x', [.1, 1.])
def test_what_fails_still_fails(x):
    with pytest.raises(AssertionError, match='no'): run([x])


def test_the_width_of_a_margin():
    # Differences 1, 2, 3: mean 2, deviation 1. Ratios 1/2, 2/4, 3/6: always one half.
    assert seeds.width([(2, 1), (4, 2), (6, 3)]) == ([1, 2, 3], float('inf'))
    assert seeds.width([(1, 0), (2, 0), (3, 0)]) == ([1, 2, 3], 2) # a ratio to 0 would say that any positive number is wide
    assert seeds.width([(-1, -2), (2, 0), (3, 0)])[1] == 2
    assert seeds.width([(0, 1), (0, 2), (0, 3)])[1] == -2


def test_a_seed_reaches_what_draws_and_not_what_reads():
    names = seeds.seeded_names()
    assert {'make_phantoms', 'split_images', 'recipe', 'train', 'curves'} <= names and not {'read_image', 'wilson', 'file_sha256'} & names


def test_a_key_changes_with_the_modules_that_are_needed_and_no_others(monkeypatch):
    files = [seeds.root/'nbs'/'data'/f'{name}.ipynb' for name in ('05_splits', '07_preprocess')]
    before = seeds.versions(files)
    read = Path.read_text
    monkeypatch.setattr(Path, 'read_text', lambda self, **kw: read(self, **kw) + '\nchanged = 1\n'*self.as_posix().endswith('blood_cell_cancer/data/preprocess.py'))
    after = seeds.versions(files)
    assert [after[f] == before[f] for f in files] == [True, False]


def test_twenty_seeds_were_green():
    lines = [line for line in seeds.log.read_text(encoding='utf-8').splitlines() if line.startswith('seed ')]
    assert len(lines) == len(seeds.SEEDS) and all(', 0 failed, ' in line for line in lines), lines


def test_assertions_hold_by_four_standard_deviations_or_by_construction():
    with seeds.table.open(encoding='utf-8', newline='') as f: rows = list(csv.DictReader(f))
    assert len(rows) > 100 and all(int(r['seeds']) <= seeds.MEASURED for r in rows)
    assert not [r for r in rows if float(r['margin_in_sd']) < seeds.ENOUGH and not r['holds_because']]
