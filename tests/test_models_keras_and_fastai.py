"One process, both engines: the same recipe from the same weights gives the same logits before training, and both train."
from importlib.util import find_spec

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(find_spec('keras') is None, reason='keras is not installed') # importorskip would import TensorFlow first


@pytest.fixture
def recipe_and_weights(tmp_path):
    "A recipe whose weights either engine can read; which engine may be imported first is tested in `test_models_keras_setup`."
    import torch
    from safetensors.torch import save_file
    from blood_cell_cancer.core.io import SEED
    from blood_cell_cancer.models.backbones import recipe
    from blood_cell_cancer.models.nets import timm_backbone
    from blood_cell_cancer.models.weights import find_weights
    torch.manual_seed(SEED)
    file = tmp_path/'same.safetensors'
    save_file(timm_backbone('mobilenetv2', pad_type='same', bn_eps=1e-3).state_dict(), file,
              metadata=dict(arch='mobilenetv2_100', mean='[0.5, 0.5, 0.5]', std='[0.5, 0.5, 0.5]', kwargs='{"pad_type": "same", "bn_eps": 0.001}'))
    r = recipe('demo', weights=str(file), size=64, epochs=1, batch=8, views=2)
    return r, find_weights(r.backbone, r.weights)


@pytest.fixture
def images(tmp_path):
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.data.splits import split_images
    make_phantoms(tmp_path/'cells', n=6)
    return split_images(folder_images(tmp_path/'cells', progress=False), 'image', sizes=(.5, .25, .25))


def test_logits_agree_before_training(images, recipe_and_weights, untraced):
    from blood_cell_cancer.models.keras.weights import build_keras_net
    from blood_cell_cancer.models.engines import engine_module
    from blood_cell_cancer.models.model import Model
    from blood_cell_cancer.models.nets import build_net
    r, weights = recipe_and_weights
    nets = dict(fastai=build_net(r, 5, weights), keras=build_keras_net(r, 5, weights))
    rows = images[images['split'] == 'validation']
    logits = {e: engine_module(e).net_logits(net, rows, Model(net, e, r, (), weights.mean, weights.std, '', None), progress=False) for e, net in nets.items()}
    assert logits['fastai'].std() > 1e-3, 'logits of no size would agree whatever happened'
    assert np.abs(logits['fastai'] - logits['keras']).max() < 1e-4, np.abs(logits['fastai'] - logits['keras']).max()


def test_both_train_in_one_process(images, recipe_and_weights, untraced):
    from blood_cell_cancer.models.training import train
    r, _ = recipe_and_weights
    for engine in 'fastai', 'keras', 'fastai': # either after the other
        model = train(images, r, engine=engine, progress=False, **(dict(device='cpu') if engine == 'fastai' else {}))
        assert model.parameters == (2_620_997, 1_888_645), model.parameters
        assert list(model.history) == ['epoch', 'train_loss', 'valid_loss', 'valid_accuracy', 'seconds'] and len(model.history) == 1
        assert np.isfinite(model.predict(images, progress=False).filter(like='p_')).all(axis=None)
