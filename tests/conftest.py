"Triton before TensorFlow (in the other order the whole run is aborted, see `models.keras.setup`); the longest tests first; a fast selection."
import gc
import json
import os
import sys
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pytest

if sys.dont_write_bytecode: # else every process that a test starts compiles torch and TensorFlow anew, for half a minute
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).parents[1]/'.pytest_cache'/'bytecode')
    os.environ['PYTHONPYCACHEPREFIX'] = sys.pycache_prefix
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)

if find_spec('triton') is not None: import triton

# Beside the millions of objects of torch and TensorFlow, each search for garbage is long and finds little.
gc.set_threshold(100_000, 50, 100)

DURATIONS = Path(__file__).with_name('durations.json') # seconds of the tests of more than a second, alone on two cores
FAST = 2.5 # seconds: what takes longer is not part of `make test-fast`
SLOW_FIXTURES = {'site', 'app', 'lab', 'setting', 'both', 'pages', 'served'} # of modules; whichever test comes first pays for them

@pytest.fixture(scope='session', autouse=True)
def offline(tmp_path_factory):
    "Neither a test nor a process that it starts may reach another computer (see offline/sitecustomize.py); gives the file of attempts."
    place = Path(__file__).with_name('offline')
    noted = tmp_path_factory.mktemp('offline')/'attempts.txt'
    noted.touch()
    with pytest.MonkeyPatch.context() as m:
        m.setenv('BLOOD_CELLS_SOCKETS', str(noted))
        m.setenv('HF_HUB_DISABLE_XET', '1') # it downloads in compiled code
        m.setenv('PYTHONPATH', os.pathsep.join(filter(None, (str(place), os.environ.get('PYTHONPATH')))))
        exec(compile((place/'sitecustomize.py').read_text(), str(place/'sitecustomize.py'), 'exec'), dict(__name__='offline'))
        yield noted

@pytest.fixture(autouse=True)
def nothing_went_out(offline):
    "Fails a test that tried; one that means to empties the file."
    yield
    tried = offline.read_text()
    offline.write_text('')
    assert not tried, f'this test tried to reach another computer:\n{tried}'

@pytest.fixture
def own_engines():
    "An engine's notebook registers its own cells as the engine; the notebooks after it get the modules."
    from blood_cell_cancer.models.engines import ENGINE_MODULES
    from blood_cell_cancer.models.model import ENGINES
    yield
    for name, module in ENGINE_MODULES.items():
        if module in sys.modules: ENGINES[name] = sys.modules[module]
        else: ENGINES.pop(name, None)

@pytest.fixture
def untraced():
    "Keras without graphs: for a handful of batches, tracing a deep network takes longer than computing them."
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)

@pytest.fixture
def temporary(monkeypatch):
    "Notebooks make temporary folders and leave them: here they go with the test, else a run needs gigabytes."
    with tempfile.TemporaryDirectory(prefix='nb-', ignore_cleanup_errors=True) as folder: # its name is short, for sockets may lie in it
        monkeypatch.setenv('TMPDIR', folder)
        monkeypatch.setattr(tempfile, 'tempdir', folder)
        yield Path(folder)

@pytest.fixture(scope='module')
def drawn_once(tmp_path_factory):
    "The notebooks want the same phantoms again and again; the workers of one run share what they have drawn."
    from joblib import Memory
    from blood_cell_cancer.data.phantoms import make
    place = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ: place = place.parent
    @lru_cache(500) # of the same cells with and without a scale bar
    def scene(*what, draw=make._draw):
        picture, mask = draw(*what)
        return picture, mask > .5
    def drawn(kind, label, key, size, view, shot, source):
        picture, mask = scene(kind, label, key, size, tuple(view), shot, source)
        return picture.copy(), mask # for bars are burnt in
    with pytest.MonkeyPatch.context() as m:
        m.setattr(make, '_draw', drawn)
        m.setattr(make, '_one', Memory(place/'drawn', verbose=0).cache(make._one))
        yield

def pytest_addoption(parser):
    parser.addoption('--fast', action='store_true', help=f'leave out what is known to take more than {FAST} seconds')
    parser.addoption('--renew-durations', action='store_true', help=f'write {DURATIONS.name} anew, from which the order follows')

def group_of(nodeid):
    "What shares fixtures is run together, by one worker: a file; each notebook is on its own."
    return nodeid if 'test_notebooks.py::' in nodeid or 'test_lesson[' in nodeid else nodeid.split('::')[0]

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "Not `--dist loadgroup`: with pytest 9.2, xdist 3.8 loses the groups without a word."
    from xdist.scheduler import LoadScopeScheduling
    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid): return group_of(nodeid)
    return ByFile(config, log)

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    seconds = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    took = lambda item: seconds.get(item.nodeid, 0)
    if config.getoption('--fast'):
        slow = {i for i in items if took(i) > FAST or SLOW_FIXTURES & set(i.fixturenames)}
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [i for i in items if i not in slow]
    # Two workers end together when the longest groups are begun first.
    total, groups = {}, {i: group_of(i.nodeid) for i in items}
    for i, g in groups.items(): total[g] = total.get(g, 0) + took(i)
    items.sort(key=lambda i: (-total[groups[i]], groups[i]))

@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    total, where = {}, {}
    for reports in terminalreporter.stats.values():
        for r in reports:
            if not hasattr(r, 'duration'): continue
            total[r.nodeid] = total.get(r.nodeid, 0) + r.duration
    for name, s in total.items():
        room = name.split('[')[-1].rpartition('/')[0] if '[' in name and 'test_notebooks' in name else name.split('::')[0]
        where[room] = where.get(room, 0) + s
    if where: terminalreporter.section('seconds by room')
    for room, s in sorted(where.items(), key=lambda o: -o[1]): terminalreporter.write_line(f'{s:7.1f}  {room or "nbs"}')
    if config.getoption('--renew-durations'):
        DURATIONS.write_text(json.dumps({k: round(s, 1) for k, s in sorted(total.items()) if s > 1}, indent=0) + '\n')
