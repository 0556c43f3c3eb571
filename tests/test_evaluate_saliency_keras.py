"Saliency maps and uncertainty of the Keras engine: the saliency lies where the class is, and both engines give one model the same map."
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.core.tables import image_table
from blood_cell_cancer.core.io import pixel_batches
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.uncertainty import fit_uncertainty
from blood_cell_cancer.evaluate.calibration import evaluate_uncertainty
from blood_cell_cancer.evaluate.saliency import box_share, saliency_maps, saliency_share
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.engines import engine_module
from blood_cell_cancer.models.model import Model
from blood_cell_cancer.models.weights import find_weights

if find_spec('keras') is None: pytest.skip('keras is not installed', allow_module_level=True) # importorskip would import TensorFlow first
from blood_cell_cancer.models.keras.data import keras
from blood_cell_cancer.models.keras.files import convert_model
from blood_cell_cancer.models.keras.weights import build_keras_net

SIZE = 96
engine_module('keras')


@pytest.mark.parametrize('name', ['mobilenetv2', 'convnext_tiny'])
def test_both_engines_give_one_map(name, tmp_path):
    make_phantoms(tmp_path/'cells', n=1, size=SIZE)
    images = folder_images(tmp_path/'cells', progress=False).iloc[1:4:2]
    r = recipe('demo', backbone=name, weights='random', size=SIZE, head='linear')
    weights = find_weights(name, 'random')
    ours = Model(build_keras_net(r, 5, weights), 'keras', r, tuple(images['label'].cat.categories), weights.mean, weights.std,
                 weights.origin, pd.DataFrame())
    engine = engine_module('keras')
    weight, bias = engine.last_layer(ours.net)
    ours.net = engine.with_last_layer(ours.net, np.abs(weight), bias) # with positive weights no map can be zero everywhere
    theirs = convert_model(ours, 'fastai')
    a, b = (saliency_maps(m, images, 'monocyte', progress=False).maps for m in (ours, theirs))
    assert a.max() > 1e-3 and np.abs(a - b).max()/a.max() < 5e-3, (np.abs(a - b).max(), a.max())
    if name == 'mobilenetv2':
        c, d = (saliency_maps(m, images.head(1), 'monocyte', 'occlusion', progress=False, steps=3).maps for m in (ours, theirs))
        assert np.abs(c - d).max() < 5e-3*max(c.max(), 1e-3)


def small_net(classes):
    "Three convolutions, in two parts as `keras_net` has them."
    keras.utils.set_random_seed(SEED)
    entry = x = keras.Input((SIZE, SIZE, 3))
    for width in (16, 32, 32): x = keras.layers.Conv2D(width, 3, 2, activation='relu', padding='same')(x)
    body = keras.Model(entry, keras.layers.GlobalAveragePooling2D()(x))
    return keras.Sequential([body, keras.Sequential([keras.Input((32,)), keras.layers.Dense(classes)], name='head')])


def small_model(images, classes, epochs=15):
    "Trained from scratch in seconds."
    net = small_net(len(classes))
    net.compile(optimizer=keras.optimizers.Adam(3e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=['accuracy'])
    model = Model(net, 'keras', recipe('demo', size=SIZE), tuple(classes), (.5,)*3, (.5,)*3, 'random', pd.DataFrame())
    pixels = next(pixel_batches(images['path'].tolist(), SIZE, (), len(images))).astype(np.float32)/127.5 - 1
    seen = net.fit(pixels, images['label'].cat.codes.to_numpy(), epochs=epochs, batch_size=16, verbose=0)
    return model, max(seen.history['accuracy'])


def shares(saliency, truth, what, size):
    boxes = truth.assign(file=truth['name'].str.rsplit('/').str[-1]).set_index('file').loc[[Path(p).name for p in saliency.images['path']],
            [f'{what}_{c}' for c in ('x0', 'y0', 'x1', 'y1')]].to_numpy(float)
    return np.nanmean([saliency_share(m, b, size, 6) for m,
                       b in zip(saliency.maps, boxes)]), np.mean([box_share(b, size, 6) for b in boxes])


def test_saliency_lies_on_the_bar_when_the_class_is_the_bar(tmp_path):
    barred, plain, size = tmp_path/'b', tmp_path/'p', (SIZE, SIZE)
    truth = make_phantoms(barred, n=dict(myeloblast=60), bar=True, size=SIZE)
    make_phantoms(plain, n=dict(myeloblast=60), size=SIZE)
    files = [(plain if i % 2 else barred)/name for i, name in enumerate(truth['name'])]
    images = image_table(files, ['plain' if i % 2 else 'barred' for i in range(60)], ['barred', 'plain'], progress=False)
    model, right = small_model(images, ['barred', 'plain'])
    saliency = saliency_maps(model, images[images['label'] == 'barred'], 'barred', progress=False)
    on_bar, even_bar = shares(saliency, truth, 'bar', size)
    on_cell, even_cell = shares(saliency, truth, 'cell', size)
    assert right > .9
    assert on_bar > 2*even_bar and on_bar/even_bar > 2*on_cell/even_cell, (on_bar, even_bar, on_cell, even_cell)


def test_saliency_lies_on_the_cell_when_the_class_is_the_cell(tmp_path):
    truth = make_phantoms(tmp_path/'c', n=dict(myeloblast=60), size=SIZE)
    (tmp_path/'e').mkdir()
    for row in truth.iloc[::2].itertuples(index=False): # every other image loses its cell
        pixels = np.array(Image.open(tmp_path/'c'/row.name))
        box = np.s_[int(row.cell_y0):int(row.cell_y1), int(row.cell_x0):int(row.cell_x1)]
        pixels[box] = np.median(pixels, axis=(0, 1))
        Image.fromarray(pixels).save(tmp_path/'e'/Path(row.name).name)
    files = [tmp_path/'c'/n if i % 2 else tmp_path/'e'/Path(n).name for i, n in enumerate(truth['name'])]
    images = image_table(files, ['cell' if i % 2 else 'empty' for i in range(60)], ['empty', 'cell'], progress=False)
    model, right = small_model(images, ['empty', 'cell'])
    on_cell, even = shares(saliency_maps(model, images[images['label'] == 'cell'], 'cell', progress=False), truth, 'cell', (SIZE, SIZE))
    assert right > .9 and on_cell > 1.5*even, (right, on_cell, even)


def test_uncertainty_of_a_keras_model(tmp_path):
    make_phantoms(tmp_path/'cells', n=16, size=SIZE)
    images = split_images(folder_images(tmp_path/'cells', progress=False), 'image', sizes=(.5, .25, .25))
    model, _ = small_model(images[images['split'] == 'train'], images['label'].cat.categories, epochs=2)
    uncertainty = fit_uncertainty(model, images, coverage=.8, k=3, progress=False)
    test = model.predict(images[images['split'] == 'test'], progress=False)
    assert uncertainty.arrays['bank'].shape == (40, 32) and list(test.columns[-4:]) == ['prediction_set', 'ood_score', 'abstained',
                                                                                        'reason']
    assert evaluate_uncertainty(test, uncertainty, draws=50).coverage['n'].iloc[0] == 20
