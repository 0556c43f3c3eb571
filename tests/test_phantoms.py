"Properties of the phantoms: the same bytes everywhere, colours do not predict the class, shape does."

from hashlib import sha256

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.data.phantoms.draw import _CELLS, _body_and_nucleus, draw_cell, draw_field, draw_mask
from blood_cell_cancer.data.phantoms.make import VERSION, _picture, make_phantoms
from blood_cell_cancer.data.phantoms.shapes import CELL_CLASSES, FIELD_CLASSES, _stream

COUNT = 100


def test_same_pixels_and_bytes_everywhere(tmp_path):
    # numpy 1.26 and 2.4, scipy 1.11 and 1.17, pillow 10.3 and 13, SSE and AVX2 give these; a change of the drawing changes them,
    # and then `VERSION` has to be raised as well
    pixels, files = sha256(), sha256()
    for kind in ('cells', 'fields'):
        for switches in (dict(overlaps=2), dict(tint=True, bar=True, size=160)):
            folder = tmp_path/f'{kind}_{len(switches)}'
            for name in make_phantoms(folder, kind, n=1, seed=12, **switches).name:
                pixels.update(np.asarray(Image.open(folder/name)).tobytes())
                files.update((folder/name).read_bytes())
    assert (VERSION, pixels.hexdigest()[:16], files.hexdigest()[:16]) == (3, '655eb62b4cf06727', 'ee64fa2295c28973')


def accuracy(features, labels):
    forest = RandomForestClassifier(100, random_state=SEED)
    return cross_val_score(forest, features, labels, cv=StratifiedKFold(5, shuffle=True, random_state=SEED)).mean()


def histogram(pixels):
    return np.concatenate([np.histogram(pixels[..., c], 16, (0, 256))[0] for c in range(3)])


def draw_all(count=COUNT, **switches):
    rows = []
    for label in CELL_CLASSES:
        for i in range(count):
            rows.append(_picture('cells', label, i, SEED, 224, **{'tint': False, 'bar': False, **switches})[0])
    return np.stack(rows), np.repeat(np.arange(5), count)


@pytest.fixture(scope='module')
def cells(drawn_once):
    return draw_all()


def corners(x):
    cut = [x[:, a:b, c:d].mean((1, 2)) for a, b in ((0, 16), (208, 224)) for c, d in ((0, 16), (208, 224))]
    return np.concatenate(cut, 1)


def border(x):
    edge = np.ones(x.shape[1:3], bool)
    edge[12:-12, 12:-12] = False
    return np.stack([histogram(o[edge]) for o in x])


@pytest.mark.parametrize('features', [corners, border, lambda x: x.mean((1, 2))], ids=['corners', 'border', 'mean colour'])
def test_surroundings_are_at_chance(cells, features):
    x, y = cells
    assert accuracy(features(x), y) < .2 + 5*np.sqrt(.2*.8/len(y))   # five standard errors above chance


def test_colour_histogram_predicts_little(cells):
    x, y = cells
    assert accuracy(np.stack([histogram(o) for o in x]), y) < .6 # the shape alone gets more than .8, chance is .2


def test_tint_is_a_shortcut():
    x, y = draw_all(20, tint=True)
    assert accuracy(corners(x), y > 2) > .8 # chance is .6


def test_bar_is_a_shortcut(drawn_once):
    x, y = draw_all(30, bar=True) # on some of `cells`
    corner = np.stack([cv2.resize(o[-36:, -36:], (12, 12), interpolation=cv2.INTER_AREA).ravel() for o in x])
    assert accuracy(corner, y) > .28 # chance is .2, with a standard error of .033


def test_shape_predicts_the_class():
    # eccentricity, solidity and share of the nucleus, measured on the drawn masks: no colour at all
    rows, labels = [], []
    for j, kind in enumerate(_CELLS.values()):
        for i in range(COUNT):
            body, nucleus, *_ = _body_and_nucleus(kind, _stream(SEED, j, i), 2400)
            pieces, _ = cv2.findContours(255*(nucleus > .5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            c = max(pieces, key=cv2.contourArea)
            hull = cv2.contourArea(cv2.convexHull(c))
            rows.append([cv2.contourArea(c)/hull, (nucleus > .5).sum()/(body > .5).sum(), *cv2.HuMoments(cv2.moments(c)).ravel()[:3]])
            labels.append(j)
    assert accuracy(np.array(rows), np.array(labels)) > .8


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(CELL_CLASSES + FIELD_CLASSES), st.integers(0, 2**40), st.integers(32, 260))
def test_any_seed_and_size(label, seed, size):
    draw = draw_cell if label in CELL_CLASSES else draw_field
    img = draw(label, seed, size)
    assert img.shape == (size, size, 3) and img.dtype == np.uint8 and img.std() > 5
    assert (img == draw(label, seed, size)).all()
    mask = draw_mask(label, seed, size)
    assert mask.shape == (size, size) and mask.any()
    assert img[mask].mean() < img[~mask].mean()                      # white cells are the darker part


def test_interrupted_run_is_repeated(tmp_path):
    truth = make_phantoms(tmp_path/'p', n=1)
    whole = (tmp_path/'p'/truth.name[3]).read_bytes()
    (tmp_path/'p'/truth.name[3]).unlink()
    assert make_phantoms(tmp_path/'p', n=1).equals(truth)
    assert (tmp_path/'p'/truth.name[3]).read_bytes() == whole
    (tmp_path/'p'/'phantoms.csv').unlink()
    assert make_phantoms(tmp_path/'p', n=1).equals(truth)


@pytest.mark.parametrize('kind', ['cells', 'fields'])
def test_artefacts_are_in_the_table(tmp_path, kind):
    truth = make_phantoms(tmp_path/'p', kind, n=2, tint=True, bar=True, overlaps=2)
    assert (truth.source != '').all() and truth.groupby('label').source.nunique().eq(1).all()
    assert truth.source.nunique() == 2
    assert truth.bar_x1.eq(224).all() and truth.bar_x0.between(180, 210).all()
    assert truth.cell_x0.isna().all() == (kind == 'fields')
    pairs = truth[truth.duplicate_kind == 'overlap'].set_index('duplicate_of')
    base = truth.set_index('name')
    if kind == 'cells':     # the box moves with the shift, as far as the picture reaches
        for duplicate, row in pairs.iterrows():
            for edge, shift in (('cell_x0', 'shift_x'), ('cell_y1', 'shift_y')):
                assert row[edge] == np.clip(base.loc[duplicate, edge] - row[shift], 0, 224)
