"Both engines in one process, in every order: each case runs in a process of its own, since the failure is an abort."
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec('keras') is None, reason='keras is not installed') # importorskip would import TensorFlow first

KERAS = 'from blood_cell_cancer.models.keras.setup import import_keras; import_keras(threads=1)'
TORCH = 'import torch\nif find_spec("triton"): import triton'
COMPUTE = ('import torch, keras, tensorflow as tf\n'
           'assert float(torch.ones(3).sum()) == float(keras.ops.sum(keras.ops.ones(3))) == 3\n'
           'print("alive", tf.config.threading.get_intra_op_parallelism_threads())')


def process(*lines):
    code = '\n'.join(['from importlib.util import find_spec', *lines])
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)


@pytest.mark.parametrize('order', [(KERAS, TORCH), (TORCH, KERAS)], ids=['keras_first', 'torch_first'])
def test_both_engines_work(order):
    done = process(*order, COMPUTE)
    assert (done.returncode, done.stdout.strip()) == (0, 'alive 1'), done.stderr
    assert 'oneDNN' not in done.stderr


TOO_LATE = """
import blood_cell_cancer
import keras # loads TensorFlow
for first in ('from blood_cell_cancer.models.keras.setup import import_keras; import_keras(threads=1)',
              'import blood_cell_cancer.models.fastai.training', 'import blood_cell_cancer.models.nets',
              'import blood_cell_cancer.data.loaders', 'blood_cell_cancer.train'):
    try: exec(first)
    except ImportError as e: print('start again and call import_keras()' in str(e))
"""


@pytest.mark.skipif(find_spec('triton') is None, reason='without triton no order can abort the process')
def test_tensorflow_first_is_refused_in_words():
    done = process(TOO_LATE)
    assert (done.returncode, done.stdout.split()) == (0, ['True']*5), done.stderr
