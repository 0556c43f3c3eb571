"Every notebook runs from top to bottom, as `nbdev_test` runs it."
import os
import sys
from pathlib import Path

import pytest
from joblib import Memory
from nbdev import test as nbdev_runner
from nbdev.config import get_config

from blood_cell_cancer.data.phantoms import make
from blood_cell_cancer.models.engines import ENGINE_MODULES
from blood_cell_cancer.models.model import ENGINES

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [p for p in sorted((ROOT/'nbs').rglob('*.ipynb')) if not any(part.startswith(('.', '_')) for part in p.relative_to(ROOT).parts)]

@pytest.fixture
def own_engines():
    "An engine's notebook registers its own cells as the engine; the notebooks after it get the modules."
    yield
    for name, module in ENGINE_MODULES.items():
        if module in sys.modules: ENGINES[name] = sys.modules[module]
        else: ENGINES.pop(name, None)

@pytest.fixture(scope='module')
def drawn_once(tmp_path_factory):
    "The notebooks want the same phantoms again and again; the workers of one run share what they have drawn."
    place = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ: place = place.parent
    with pytest.MonkeyPatch.context() as m:
        m.setattr(make, '_one', Memory(place/'drawn', verbose=0).cache(make._one))
        yield

@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.relative_to(ROOT/'nbs').with_suffix('').as_posix())
def test_notebook(path, monkeypatch, own_engines, drawn_once):
    monkeypatch.chdir(ROOT)
    passed, _ = nbdev_runner.test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    assert passed, f'{path.relative_to(ROOT)} failed; its traceback is in the captured output'
