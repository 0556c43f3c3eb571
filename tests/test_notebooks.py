"Every notebook runs from top to bottom, as `nbdev_test` runs it (those of `test_lessons.py` there)."
from pathlib import Path

import pytest
from nbdev import test as nbdev_runner
from nbdev.config import get_config

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [p for p in sorted((ROOT/'nbs').rglob('*.ipynb'))
             if p.parent.name not in ('tutorials', 'guides', 'case_studies', 'studies') and not any(part.startswith(('.', '_')) for part in p.relative_to(ROOT).parts)]

@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.relative_to(ROOT/'nbs').with_suffix('').as_posix())
def test_notebook(path, monkeypatch, own_engines, drawn_once, temporary):
    monkeypatch.chdir(ROOT)
    passed, _ = nbdev_runner.test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    assert passed, f'{path.relative_to(ROOT)} failed; its traceback is in the captured output'
