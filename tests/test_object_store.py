"A folder in an object store is loaded, audited, split, trained on and judged as its copy on this computer."
import shutil

import numpy as np
import pandas as pd
import pytest

pytest.importorskip('upath')
from blood_cell_cancer.core.io import as_path
from blood_cell_cancer.data.audit.report import audit
from blood_cell_cancer.data.datasets import DataError, find_data, load_images
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import apply_split, split_images
from blood_cell_cancer.evaluate.external import laboratories, names_apart, ood_images
from blood_cell_cancer.evaluate.report import evaluate
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.training import train

ADDRESS = 'memory://hospital/cells'


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    "A folder of phantoms with a damaged file and a list of patients, and its copy in a store in memory."
    folder = tmp_path_factory.mktemp('cells')/'cells'
    names = make_phantoms(folder, 'cells', n=8, size=64)['name']
    for extra in ('phantoms.csv', 'phantoms.json'): (folder/extra).unlink(missing_ok=True)
    (folder/names[0]).write_bytes((folder/names[0]).read_bytes()[:300])
    shutil.copy(folder/names[1], folder/names[1].replace('.', '_copy.'))
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob('*.*'))
    pd.DataFrame(dict(path=files, patient=[f'p{i % 7}' for i in range(len(files))])).to_csv(folder/'manifest.csv', index=False)
    store = as_path(ADDRESS)
    for name in (*files, 'manifest.csv'):
        (store/name).parent.mkdir(parents=True, exist_ok=True)
        (store/name).write_bytes((folder/name).read_bytes())
    yield folder, store
    store.fs.rm(str(store.parent.path), recursive=True)


@pytest.fixture
def few_trees(monkeypatch):
    "Small forests: whether they see the same pixels needs no large ones."
    from blood_cell_cancer.data.audit import checks, shortcuts
    def small(forest, *rest, fit=shortcuts.forest_proba): return fit(forest.set_params(n_estimators=shortcuts.TREES, n_jobs=None), *rest)
    for module in (checks, shortcuts): monkeypatch.setattr(module, 'forest_proba', small)


def tables(both): return [load_images(place, classes='folders', progress=False) for place in (both[0], ADDRESS)]


def test_the_image_table_is_the_same(both):
    here, there = tables(both)
    pd.testing.assert_frame_equal(here.drop(columns=['path', 'error']), there.drop(columns=['path', 'error']))
    assert there['path'].tolist() == [f'{ADDRESS}/{name}' for name in here['name']]
    assert (there['error'] != '').sum() == 1 == (here['error'] != '').sum() and there['group'].nunique() == 7
    assert there['error'].max().startswith(ADDRESS)
    assert str(find_data('phantoms', data='memory://hospital')) == 'memory://hospital'


def test_the_audit_finds_the_same(both, tmp_path, few_trees):
    here, there = (audit(t, progress=False, folder=tmp_path/str(i)) for i, t in enumerate(tables(both)))
    assert [(s.name, s.verdict, s.sentence) for s in here.sections] == [(s.name, s.verdict, s.sentence) for s in there.sections]
    assert len(there.pairs['duplicates']) >= 1
    for kind, found in here.pairs.items(): pd.testing.assert_frame_equal(found, there.pairs[kind])


def test_training_and_evaluation_are_the_same(both, tmp_path):
    runs = []
    for i, t in enumerate(tables(both)):
        images = split_images(t[t['error'] == ''].assign(group='').drop_duplicates('sha256', ignore_index=True), by='image')
        model = train(images, recipe('demo', weights='random', size=32, epochs=1, batch=8, views=1), folder=tmp_path/str(i), progress=False, device='cpu')
        runs.append((images, model, evaluate(model, images, progress=False)))
    (a, m, r), (b, n, s) = runs
    assert a['split'].tolist() == b['split'].tolist()
    np.testing.assert_allclose(m.history['train_loss'], n.history['train_loss'], rtol=1e-6)
    probs = [c for c in r.preds if c.startswith('p_')]
    np.testing.assert_allclose(r.preds[probs], s.preds[probs], atol=1e-6)


def test_a_split_table_finds_stored_files_again(both, tmp_path):
    images = split_images(tables(both)[1], by='group')
    images.to_csv(tmp_path/'split.csv', index=False)
    again = apply_split(tables(both)[1], tmp_path/'split.csv')
    assert again['split'].tolist() == images['split'].tolist()


def test_the_commands_take_an_address(both, tmp_path, few_trees):
    from typer.testing import CliRunner
    from blood_cell_cancer.use.cli import app
    said = CliRunner().invoke(app, ['audit', '--data', ADDRESS, '--classes', 'folders', '--quiet', '--out', str(tmp_path/'audit.html')])
    assert said.exit_code == 0, (said.output, said.exception)
    assert '1 of 41 files have findings: 1 truncated' in said.output
    assert f'{ADDRESS}/' in (tmp_path/'audit.json').read_text() + (tmp_path/'audit.groups.csv').read_text() + (tmp_path/'audit.html').read_text()


def test_another_laboratory_may_lie_in_a_store(both):
    away = laboratories([ADDRESS], progress=False)
    assert {k: len(t) for k, t in away.items()} == {'cells': 41}
    assert list(names_apart([ADDRESS, both[0]])) == ['hospital/cells', f'{both[0].parent.name}/cells']
    assert len(ood_images(f'{ADDRESS}/monocyte', ['monocyte'], progress=False)) == 8


@pytest.mark.parametrize('args', [['split', '--data', ADDRESS, '--out', 's3://bucket/split.csv'], ['predict', ADDRESS, '--out', 's3://bucket/p.csv'],
                                  ['train', '--data', ADDRESS, '--run', 'gs://bucket/run'], ['page', '--out', 'memory://page']])
def test_results_are_written_to_this_computer(args, tmp_path, monkeypatch):
    from typer.testing import CliRunner
    from blood_cell_cancer.use.cli import app
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, args)
    assert f'{args[-1]}: results are written to this computer: name a local path' in str(said.exception) and list(tmp_path.iterdir()) == []


def test_errors_name_the_address(both):
    with pytest.raises(DataError, match='memory://hospital/none is neither a folder nor a named set'): load_images('memory://hospital/none')
    with pytest.raises(ValueError, match='http://hospital/cells: addresses are read of s3'): load_images('http://hospital/cells')
