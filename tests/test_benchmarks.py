"The scripts that make and judge the shipped models: the splits in the repository, what the bundles record, and the parts that don't train."
import shlex
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from blood_cell_cancer.core.tables import list_images, read_table
from blood_cell_cancer.data.audit.report import leaked_test_images
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.models.bundle import load_model, read_bundle
from blood_cell_cancer.models.facts import bundle_tensors
from blood_cell_cancer.models.model import data_facts
from blood_cell_cancer.models.shipped import SHIPPED, shipped_bundles
from blood_cell_cancer.use.stream import open_onnx

ROOT = Path(__file__).parents[1]
RESULTS = ROOT/'nbs'/'studies'/'results'


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT/'benchmarks'))
    return import_module


@pytest.mark.parametrize('name, leaked', [('ball4', 5), ('wbc5', 0)])
def test_the_split_of_a_shipped_model_is_the_one_that_trained_it(name, leaked):
    split, facts = read_table(RESULTS/f'{name}_split.csv'), read_bundle(name)
    assert data_facts(split)['sha256'] == facts['data']['sha256']
    fitted = split.loc[split['split'].isin(['train', 'validation']), 'sha256'].str[:16]
    assert sorted(fitted) == sorted(bytes(d).hex() for d in bundle_tensors(SHIPPED/name, facts, 'training_images')['digests'])
    # The figure that the studies show beside it is that of the groups in the file.
    figures = pd.read_csv(ROOT/'nbs'/'tutorials'/'results'/'audit.csv').query('data == @name').set_index('figure')['value']
    found = leaked_test_images(split)
    assert found['duplicates'] == leaked == figures[f"test images with a duplicate in training, split file (of {found['test']})"]


def test_the_shipped_recipe_is_that_of_the_training(script):
    line = next(t for t in (ROOT/'benchmarks'/'differential.sh').read_text().splitlines() if t.startswith('python unseen_full.py'))
    settings = vars(script('unseen_full').parser().parse_args(shlex.split(line)[2:]))
    recipe = asdict(script('ship_differential').recipe_of(settings))
    assert read_bundle('differential')['recipe'] == recipe | dict(preprocess=list(recipe['preprocess']))
    assert recipe['seed'] == 22 and recipe['note'].startswith('900 steps of 32 random views, half of them in the style of another laboratory, 50 % ')


def test_the_roles_of_laboratories_are_those_of_the_table(script):
    table = pd.read_csv(ROOT/'nbs'/'tutorials'/'results'/'laboratories.csv')
    for name, roles in script('laboratories').ROLES.items():
        rows = table[(table['bundle'] == name) & ~table['laboratory'].str.endswith(', test images')]
        assert dict(zip(rows['laboratory'], rows['used'])) == {Path(place).name: role for place, role in roles.items()}
        card = (SHIPPED/name/'README.md').read_text(encoding='utf-8')
        for lab, role in zip(rows['laboratory'], rows['used']): assert f'- Other laboratories, {lab} ({role}): ' in card, lab


def test_a_bundle_is_put_together_without_training(script, tmp_path):
    report, ship = script('ship_report'), script('ship')
    make_phantoms(tmp_path/'p', n=1)
    paths = list_images(tmp_path/'p')[0]
    features, logits = report.outputs(open_onnx('wbc5', int8=True), paths)
    assert (features.shape, logits.shape) == ((5, 1280), (5, 5)) and np.isfinite(logits).all() and ship.outputs is report.outputs
    folder, facts = report.put_bundle(load_model('wbc5'), SHIPPED/'wbc5', tmp_path/'wbc5'), read_bundle('wbc5')
    assert read_bundle(folder)['exports'] == facts['exports']
    assert (folder/'model.int8.onnx').read_bytes() == (SHIPPED/'wbc5'/'model.int8.onnx').read_bytes()
    assert np.allclose(report.outputs(open_onnx(folder, int8=True), paths)[1], logits)


def test_eight_bits(script):
    for name in shipped_bundles(): assert script('ship_report').eight_bits(name) == read_bundle(name)['extra']['metrics']['facts']['in 8 bits']
