"One process, both engines: the same recipe from the same weights gives the same logits before training, and both train."
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec('keras') is None, reason='keras is not installed') # importorskip would import TensorFlow first

SETUP = '''
import sys, blood_cell_cancer.all
assert 'tensorflow' not in sys.modules, 'the front door must not load TensorFlow'
from pathlib import Path
from tempfile import mkdtemp
import numpy as np, torch
from safetensors.torch import save_file
from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.nets import build_net, timm_backbone
from blood_cell_cancer.models.engines import engine_module
from blood_cell_cancer.models.model import Model
from blood_cell_cancer.models.training import train
from blood_cell_cancer.models.weights import find_weights

folder = Path(mkdtemp())
make_phantoms(folder/'cells', n=6)
images = split_images(folder_images(folder/'cells', progress=False), 'image', sizes=(.5, .25, .25))
torch.manual_seed(SEED)
save_file(timm_backbone('mobilenetv2', pad_type='same', bn_eps=1e-3).state_dict(), folder/'same.safetensors',
          metadata=dict(arch='mobilenetv2_100', mean='[0.5, 0.5, 0.5]', std='[0.5, 0.5, 0.5]', kwargs='{"pad_type": "same", "bn_eps": 0.001}'))
r = recipe('demo', weights=str(folder/'same.safetensors'), size=64, epochs=1, batch=8, views=2)
weights = find_weights(r.backbone, r.weights)
'''

COMPARE = '''
from blood_cell_cancer.models.keras.weights import build_keras_net
rows = images[images['split'] == 'validation']
nets = dict(fastai=build_net(r, 5, weights), keras=build_keras_net(r, 5, weights))
logits = {e: engine_module(e).net_logits(net, rows, Model(net, e, r, (), weights.mean, weights.std, '', None), progress=False) for e, net in nets.items()}
assert logits['fastai'].std() > 1e-3, 'logits of no size would agree whatever happened'
assert np.abs(logits['fastai'] - logits['keras']).max() < 1e-4, np.abs(logits['fastai'] - logits['keras']).max()
'''

TRAIN = '''
for engine in ENGINES:
    model = train(images, r, engine=engine, progress=False, **(dict(device='cpu') if engine == 'fastai' else {}))
    assert model.parameters == (2_620_997, 1_888_645), model.parameters
    assert list(model.history) == ['epoch', 'train_loss', 'valid_loss', 'valid_accuracy', 'seconds'] and len(model.history) == 1
    assert np.isfinite(model.predict(images, progress=False).filter(like='p_')).all(axis=None)
print('both trained')
'''


def test_both_train_in_one_process():
    # Either engine after the other; which of them may be imported first is tested in `test_models_keras_setup`.
    code = "ENGINES = 'fastai', 'keras', 'fastai'" + SETUP + COMPARE + TRAIN
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip().splitlines()[-1:]) == (0, ['both trained']), done.stderr[-3000:]
