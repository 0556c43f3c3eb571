"The house keeps its one direction: nothing imports from a room to its right, nor from a notebook with a higher number."
import ast
import json
import re
from graphlib import TopologicalSorter
from pathlib import Path

root = Path(__file__).parents[1]
ROOMS = 'core', 'data', 'models', 'evaluate', 'use'
ALLOWED = {('use/06_cli', 'use/09_page')} # the command line calls whatever there is, in functions; the page came after it


def exported() -> dict:
    "Module -> the notebook that it is made of."
    found = {}
    for p in (root/'nbs').rglob('[0-9]*.ipynb'):
        sources = (''.join(c['source']) for c in json.loads(p.read_text(encoding='utf-8'))['cells'])
        named = [m[1] for s in sources if (m := re.match(r'#\| *default_exp +([\w.]+)', s))]
        if named: found[named[0]] = p.relative_to(root/'nbs').with_suffix('').as_posix()
    return found


def imported(module: str) -> set:
    "Modules of the package that a module imports, wherever in its code."
    places = module.split('.')[:-1]
    tree = ast.parse((root/'blood_cell_cancer'/(module.replace('.', '/') + '.py')).read_text(encoding='utf-8'))
    seen = set()
    for n in ast.walk(tree):
        if isinstance(n, ast.Import): named = [a.name.split('.') for a in n.names] # import blood_cell_cancer.core.io
        elif not isinstance(n, ast.ImportFrom): continue
        else:
            above = ['blood_cell_cancer', *places[:len(places) - n.level + 1]] if n.level else [] # functions name the package: from blood_cell_cancer.core.io import ...
            base = above + (n.module.split('.') if n.module else [])
            named = [base, *([*base, a.name] for a in n.names)]
        seen |= {'.'.join(m[1:]) for m in named if m[0] == 'blood_cell_cancer'}
    return seen


def test_every_kind_of_import_is_seen():
    assert {'core.io', 'models.bundle'} <= imported('models.training') # from ..core.io import x; import blood_cell_cancer.models.bundle
    assert 'core.plots' in imported('models.model') # from blood_cell_cancer.core.plots import x, in a function


def test_one_direction():
    notebooks = exported()
    assert len(notebooks) > 60
    back = []
    for module, nb in notebooks.items():
        if nb.partition('/')[0] not in ROOMS: continue
        for other in imported(module) & set(notebooks):
            here, there = nb.split('/'), notebooks[other].split('/')
            right = ROOMS.index(there[0]) - ROOMS.index(here[0])
            same_folder = here[:-1] == there[:-1]
            if (nb, notebooks[other]) in ALLOWED: continue
            if right > 0 or same_folder and there[-1] > here[-1]: back.append(f'{nb} imports {notebooks[other]}')
    assert not back, back


def test_no_circles():
    notebooks = set(exported())
    order = list(TopologicalSorter({m: imported(m) & notebooks - {m} for m in notebooks}).static_order()) # CycleError names a circle
    assert set(order) == notebooks


def test_modules_are_short():
    long = {p.name: n for p in (root/'blood_cell_cancer').rglob('*.py')
            if p.name != '_modidx.py' and (n := len(p.read_text(encoding='utf-8').splitlines())) > 300}
    assert not long, long


def test_threads_begin_in_one_place():
    "Python's own pools count the processors of the computer, `in_order` the cores of this process."
    pools = [p.name for p in (root/'blood_cell_cancer').rglob('*.py') if 'ThreadPoolExecutor' in p.read_text(encoding='utf-8')]
    assert pools == ['machine.py'], pools


def test_numbers_are_given_once():
    names = [p.relative_to(root/'nbs').as_posix() for p in (root/'nbs').rglob('[0-9]*.ipynb')]
    assert len({re.sub(r'(\d+)_\w+\.ipynb', r'\1', n) for n in names}) == len(names)


def test_functions_are_short():
    for p in (root/'blood_cell_cancer').rglob('*.py'):
        for n in ast.walk(ast.parse(p.read_text(encoding='utf-8'))):
            if isinstance(n, ast.FunctionDef): assert (lines := n.end_lineno - n.lineno + 1) <= 40, f'{p}: {n.name} has {lines} lines'
