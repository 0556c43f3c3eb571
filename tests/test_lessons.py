"The lessons run, and come out as their text says. What is asserted stands here, so that a reader meets no assertions."
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nbdev import test as nbdev_runner
from nbdev.config import get_config

import blood_cell_cancer
from blood_cell_cancer.data.splits import leakage
from blood_cell_cancer.evaluate.metrics import confusion, scores, top_losses
from blood_cell_cancer.use.predict import predict

ROOT = Path(blood_cell_cancer.__file__).parents[1]
LESSONS = sorted((ROOT/'nbs'/'tutorials').glob('[0-9]*.ipynb'))


def first_classifier(n):
    right = {name: scores(confusion(p))['correct'] for name, p in {'model': n.report.preds, **n.report.baselines}.items()}
    assert right['model'] > max(right['colour histogram'], right['commonest class']), right
    assert predict(n.bundle, n.folder/'monocyte', progress=False).equals(n.predictions)


def is_it_really_99(n):
    assert n.clean['shortcuts'].verdict == 'good'
    corners = n.tinted['shortcuts'].table.set_index('feature').loc['corners']
    assert corners['random_low'] > corners['majority']
    [mark] = n.barred['shortcuts'].figures['marks']
    left, top, right, bottom = (float(v) for v in mark.removeprefix('mask:').split(','))
    assert left > .7 and top > .7
    assert len(n.found.pairs['duplicates']) == 4 and len(n.found.pairs['overlaps']) == 10
    assert n.found.split_leakage('group', duplicates='keep')['duplicates'] == 0
    assert not n.table['value'].isna().any() and len(n.colours) == 6 and not n.shared[['low', 'high']].isna().any(axis=None)


def your_own_laboratory(n):
    corner = lambda picture: np.asarray(picture)[205:211, 180:216].min()
    assert corner(n.before) < 60 < corner(n.after)
    assert leakage(n.images).empty
    assert (n.images['split'] == 'test').sum() == 24 and n.report.scores['accuracy'][0] > 1/3


def what_the_model_knows(n):
    assert n.report.scores['accuracy'][0] > .8
    unknown = n.report.uncertainty.unknowns.set_index('unknown')
    assert unknown.loc['fields', 'auroc'] > .8
    assert len(unknown) == 3
    assert len(n.answers) == 6 and len(n.same_laboratory) == 2 and (n.same_laboratory['low'] < .5).all()


def other_laboratories(n):
    external = n.report.external['second laboratory']
    assert external.drop[0] > .1 and len(external.classes) == 3
    assert set(n.both.loc[n.both['split'] == 'test', 'source']) == {'second laboratory'}
    assert 'second laboratory' not in set(n.both.loc[n.both['split'] != 'test', 'source'])
    assert set(n.figures) == set(n.ours['figure']) and set(n.main) <= set(n.five['figure'])


def widgets(n):
    assert (n.corrected['split'] == 'dropped').sum() >= 1 and len(n.corrected) == len(n.images)
    assert len(top_losses(n.errors.state.preds)) == len(n.test)


def share_it(n):
    assert 'not for clinical use' in n.card and 'not evaluated' in n.card
    assert f"{n.report.to_dict()['scores']['model']['correct']} of" in n.card
    assert n.said[-1] == '[]' and n.said[-2] == str(n.predictions['predicted'].tolist()[:3])
    assert {p.name for p in n.uploaded.iterdir()} == {'README.md', 'bundle.json', 'weights.safetensors', 'training_images.safetensors', 'model.onnx'}
    n.stand_in.create_repo.assert_called_once_with('your-name/blood-cells-demo', private=True, exist_ok=True)
    assert n.same


CHECKS = {f.__name__: f for f in (first_classifier, is_it_really_99, your_own_laboratory, what_the_model_knows, other_laboratories, widgets,
                                  share_it)}


@pytest.mark.parametrize('path', LESSONS, ids=lambda p: p.stem)
def test_lesson(path, monkeypatch, own_engines, drawn_once):
    shells, plain = [], nbdev_runner.CaptureShell
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(nbdev_runner, 'CaptureShell', lambda fn: shells.append(plain(fn)) or shells[-1])
    passed, _ = nbdev_runner.test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    assert passed, f'{path.name} failed; its traceback is in the captured output'
    CHECKS[path.stem[3:]](SimpleNamespace(**shells[0].user_ns))


@pytest.mark.parametrize('path', LESSONS, ids=lambda p: p.stem)
def test_every_cell_of_a_lesson_can_be_run(path):
    assert not [f for f in ('#| eval: false', '#| hide') if f in path.read_text(encoding='utf-8')]
