"Every notebook runs from top to bottom, as `nbdev_test` runs it (those of `test_lessons.py` there)."
import pytest
from notebooks import ROOT, run_notebook

NOTEBOOKS = [p for p in sorted((ROOT/'nbs').rglob('*.ipynb'))
             if p.parent.name not in ('tutorials', 'guides', 'case_studies', 'studies') and not any(part.startswith(('.', '_')) for part in p.relative_to(ROOT).parts)]

@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.relative_to(ROOT/'nbs').with_suffix('').as_posix())
def test_notebook(path, own_engines, drawn_once, temporary):
    run_notebook(path)
