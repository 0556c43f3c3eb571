"Triton before TensorFlow (in the other order the whole run is aborted, see `models.keras.setup`); the longest tests first; a fast selection."
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if sys.dont_write_bytecode: # else every process that a test starts compiles torch and TensorFlow anew, for half a minute
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).parents[1]/'.pytest_cache'/'bytecode')
    os.environ['PYTHONPYCACHEPREFIX'] = sys.pycache_prefix
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)

if find_spec('triton') is not None: import triton

DURATIONS = Path(__file__).with_name('durations.json') # seconds of the tests of more than a second, alone on two cores
FAST = 5 # seconds: what takes longer is not part of `make test-fast`
SLOW_FIXTURES = {'site', 'app', 'lab', 'setting', 'both'} # of modules; whichever test comes first pays for them

def pytest_addoption(parser):
    parser.addoption('--fast', action='store_true', help=f'leave out what is known to take more than {FAST} seconds')
    parser.addoption('--renew-durations', action='store_true', help=f'write {DURATIONS.name} anew, from which the order follows')

def name_of(nodeid): return nodeid.rpartition('@')[0] if nodeid.rfind('@') > nodeid.rfind(']') else nodeid # xdist appends the group

def group_of(item):
    "What shares fixtures is run together, by one worker: a file, or the part of a file that has a parameter of a module's fixture."
    if item.path.stem == 'test_notebooks': return item.nodeid
    shared = getattr(getattr(item, 'callspec', None), 'params', {}).get('both', '')
    return f'{item.path.stem} {shared}'.strip()

@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item):
    if item.path.stem != 'test_notebooks': item.add_marker(pytest.mark.xdist_group(group_of(item)))

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    seconds = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    took = lambda item: seconds.get(name_of(item.nodeid), 0)
    if config.getoption('--fast'):
        slow = {i for i in items if took(i) > FAST or SLOW_FIXTURES & set(i.fixturenames)}
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [i for i in items if i not in slow]
    # Two workers end together when the longest groups are begun first.
    total, groups = {}, {i: group_of(i) for i in items}
    for i, g in groups.items(): total[g] = total.get(g, 0) + took(i)
    items.sort(key=lambda i: (-total[groups[i]], groups[i]))

@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    total, where = {}, {}
    for reports in terminalreporter.stats.values():
        for r in reports:
            if not hasattr(r, 'duration'): continue
            total[name_of(r.nodeid)] = total.get(name_of(r.nodeid), 0) + r.duration
    for name, s in total.items():
        room = name.split('[')[-1].rpartition('/')[0] if '[' in name and 'test_notebooks' in name else name.split('::')[0]
        where[room] = where.get(room, 0) + s
    if where: terminalreporter.section('seconds by room')
    for room, s in sorted(where.items(), key=lambda o: -o[1]): terminalreporter.write_line(f'{s:7.1f}  {room or "nbs"}')
    if config.getoption('--renew-durations'):
        DURATIONS.write_text(json.dumps({k: round(s, 1) for k, s in sorted(total.items()) if s > 1}, indent=0) + '\n')
