"Two devices train one recipe with Keras: TensorFlow divides the processor into two logical devices, which needs a process of its own."
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec('keras') is None: pytest.skip('keras is not installed', allow_module_level=True)

SCRIPT = '''
import json, sys
from pathlib import Path
import numpy as np
import small_network
from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.keras.data import keras
from blood_cell_cancer.models.keras.weights import net_state
from blood_cell_cancer.models.training import train
import tensorflow as tf

tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()]*2)
two = ['CPU:0', 'CPU:1']
folder = Path(sys.argv[1])
images = split_images(folder_images(folder/'cells', progress=False), 'image', sizes=(.6, .2, .2))
images = images.drop(index=images.index[images['split'] == 'validation'][0]) # 7 are left: the last batch of 6 is a single image
def run(name, devices, epochs=2, resume=False, batch=6, callbacks=(), **changes):
    r = recipe('demo', backbone='tiny', weights='random', size=64, epochs=epochs, batch=batch, views=0, patience=0, **changes)
    return train(images, r, engine='keras', folder=folder/name, resume=resume, progress=False, devices=devices, callbacks=callbacks)
def apart(a, b): a, b = net_state(a.net), net_state(b.net); return max(float(np.abs(a[k] - b[k]).max()) for k in a)
def curve(m): return m.history.drop(columns='seconds').to_dict('list')

# One layer on frozen features: the images of a batch do not influence each other, so two devices must learn what one learns.
plain = dict(cut='head', head='linear', lr=1e-2)
class Where(keras.callbacks.Callback):
    def on_train_begin(self, logs=None): self.device = self.model.weights[0].value.device
one, both = run('one', 'CPU:1', callbacks=(where := Where()), **plain), run('both', two, **plain)
# Batch norm and dropout train, and the run is resumed from its checkpoint.
start, again = run('whole', two, epochs=1, cut='head'), run('whole', two, resume=True, cut='head')
def odd(batch):
    try: run('odd', two, batch=batch)
    except ValueError as e: return str(e)
said = dict(device=where.device, odd=[odd(5), odd(2)], apart=apart(one, both), one=curve(one), both=curve(both), first=curve(start), again=curve(again),
            rows=both.predict(images, progress=False)['predicted'].notna().sum().item(),
            plain=all(type(v.value).__name__ == 'ResourceVariable' for v in again.net.variables))
(folder/'said.json').write_text(json.dumps(said))
'''


def test_two_devices_learn_what_one_learns(tmp_path):
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    make_phantoms(tmp_path/'cells', n=8)
    (tmp_path/'script.py').write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(tmp_path/'script.py'), str(tmp_path)], env={**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': os.pathsep.join((str(Path(__file__).parent), os.environ['PYTHONPATH']))},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads((tmp_path/'said.json').read_text())
    assert said['apart'] < 1e-4 and said['one']['valid_loss'][1] != said['one']['valid_loss'][0]
    for k in 'train_loss', 'valid_loss', 'valid_accuracy': assert said['both'][k] == pytest.approx(said['one'][k], rel=1e-3)
    assert said['again']['epoch'] == [0, 1] and said['again']['valid_loss'][:1] == said['first']['valid_loss']
    assert said['rows'] == 39 and said['plain'] and said['device'].endswith('CPU:1')
    assert said['odd'] == [f'batch={n} cannot be shared by 2 devices: give a multiple of 2, at least 4' for n in (5, 2)]
