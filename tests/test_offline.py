"Nothing in a model file runs, and nothing opens the network; nor does any test."
import json
import os
import socket
import subprocess
import sys

import pytest


def test_another_computer_is_out_of_reach(offline):
    for reach in (lambda: socket.create_connection(('192.0.2.1', 80), timeout=1), lambda: socket.getaddrinfo('example.org', 443),
                  lambda: socket.gethostbyname('example.org'), lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))):
        with pytest.raises(OSError, match='the tests have no network'): reach()
    assert offline.read_text().count('\n') == 4
    offline.write_text('')


def test_neither_is_it_for_a_process_that_a_test_starts(offline):
    code = 'import urllib.request; urllib.request.urlopen("http://example.org")'
    got = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert 'the tests have no network' in got.stderr and 'example.org' in offline.read_text()
    offline.write_text('')


def test_this_computer_is_in_reach():
    with socket.create_server(('127.0.0.1', 0)) as server, socket.create_connection(server.getsockname()): pass
    socket.getaddrinfo('localhost', 80)


# Python's audit events of what a model file must never bring about.
WATCHED = ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn', 'os.fork',
           'pickle.find_class', 'webbrowser.open', 'urllib.Request')
WATCH = f'''
import sys
seen, on = [], [True]
def watch(event, args):
    if on and event in {WATCHED!r}: seen.append((event, str(args)[:200]))
sys.addaudithook(watch)
'''


def seen_by(code, tmp_path, *args):
    "What Python was told of while it ran the code, in a process of its own."
    out = tmp_path/'seen.json'
    code = f'{WATCH}\ntry:\n' + '\n'.join('    ' + line for line in code.splitlines()) + (
        f'\nfinally:\n    on.clear()\n    import json\n    with open({str(out)!r}, "w") as f: json.dump(seen, f)')
    got = subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True)
    return [tuple(s) for s in json.loads(out.read_text())], got


def test_importing_and_help_open_nothing(tmp_path):
    seen, got = seen_by('import blood_cell_cancer as b\nb.recipe', tmp_path)
    assert got.returncode == 0 and not seen, (seen, got.stderr)
    for what in ([], ['predict'], ['train'], ['fetch']):
        seen, got = seen_by(f'sys.argv = ["blood-cells", *{what!r}, "--help"]\nfrom blood_cell_cancer.use.cli import main\nmain()', tmp_path)
        assert 'Usage' in got.stdout and not seen, (seen, got.stderr)


def test_prediction_tells_nobody(tmp_path):
    "ONNX Runtime sends from compiled code, which Python does not see; but it keeps the number of the computer that it sends in a file."
    code = "import time; from blood_cell_cancer.use.stream import open_onnx; open_onnx('differential'); time.sleep(2)"
    env = os.environ | dict(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path/'cache'))
    subprocess.run([sys.executable, '-c', code], check=True, env={k: v for k, v in env.items() if k != 'ORT_DISABLE_TELEMETRY'})
    assert not [p for p in tmp_path.rglob('*') if p.is_file()]


HOSTILE = '''
import json, os, pickle, shutil, sys, warnings
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from blood_cell_cancer.core.io import file_sha256
from blood_cell_cancer.models.backbones import backbone
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.shipped import SHIPPED
from blood_cell_cancer.models.weights import file_weights
from blood_cell_cancer.models.keras.files import load_keras
from blood_cell_cancer.models.keras.data import keras
from blood_cell_cancer.use.stream import open_onnx
import onnx
from onnx import TensorProto, helper

place, told = Path(sys.argv[1]), {}
pwned = place/'pwned'
class Evil:
    def __reduce__(self): return os.mkdir, (str(pwned),)
torch.save(Evil(), place/'evil.pth')
(place/'evil.pkl').write_bytes(pickle.dumps(Evil()))
np.arange(3, dtype=np.float32).tofile(place/'secret.bin')

def bundle(name, **changes):
    folder = place/f'{name}.bundle'
    shutil.copytree(SHIPPED/'wbc5', folder)
    facts = json.loads((folder/'bundle.json').read_text())
    (folder/'bundle.json').write_text(json.dumps(facts | changes))
    return folder

def network(name, location): # a bundle whose ONNX file keeps its numbers elsewhere
    folder = bundle(name)
    (folder/'link.bin').symlink_to(place/'secret.bin')
    t = TensorProto(name='w', data_type=1, dims=[3], data_location=TensorProto.EXTERNAL)
    for k, v in (('location', location), ('offset', '0'), ('length', '12')): t.external_data.add(key=k, value=v)
    value = lambda n: helper.make_tensor_value_info(n, 1, [3])
    graph = helper.make_graph([helper.make_node('Add', ['x', 'w'], ['y'])], 'g', [value('x')], [value('y')], [t])
    (folder/'model.onnx').write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9).SerializeToString())
    facts = json.loads((folder/'bundle.json').read_text()) | dict(exports={'model.onnx': file_sha256(folder/'model.onnx')})
    (folder/'bundle.json').write_text(json.dumps(facts))
    return folder

def keras_file(name, *layers):
    net = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])
    net.save(place/f'{name}.keras')
    return place/f'{name}.keras'

facts = json.loads((SHIPPED/'wbc5'/'bundle.json').read_text())
files = {f'build {k}': (load_model, bundle(f'build{i}', build={k: v})) for i, (k, v) in enumerate(dict(
    checkpoint_path=str(place/'evil.pth'), pretrained=True, url='http://example.org/w.pth', pretrained_cfg=dict(url='http://example.org/w.pth'),
    pretrained_cfg_overlay=dict(file=str(place/'evil.pth'))).items())}
for i, name in enumerate(('hf-hub:someone/evil', 'local-dir:' + str(place))):
    files[f'backbone {name[:6]}'] = load_model, bundle(f'backbone{i}', recipe=facts['recipe'] | dict(backbone=name))
files['weights are a pickle'] = load_model, bundle('pickle', weights=dict(file='evil.pkl', sha256=file_sha256(place/'evil.pkl')))
shutil.copy(place/'evil.pkl', place/'pickle.bundle')
for i, kwargs in enumerate((dict(checkpoint_path=str(place/'evil.pth')), dict(pretrained=True), dict(pretrained_cfg=dict(url='http://example.org')))):
    save_file(dict(w=torch.ones(1)), place/f'{i}.safetensors', metadata=dict(kwargs=json.dumps(kwargs)))
    files[f'safetensors with {[*kwargs][0]}'] = (lambda p: file_weights(backbone('mobilenetv2'), p)), place/f'{i}.safetensors'
files['a torch file that runs'] = (lambda p: file_weights(backbone('mobilenetv2'), p)), place/'evil.pth'
for name, where in dict(above='../secret.bin', absolute=str(place/'secret.bin'), link='link.bin').items():
    files[f'ONNX with its numbers {name}'] = open_onnx, network(name, where)
run = eval(f'lambda x: (__import__("os").mkdir({str(pwned)!r}), x)[1]')
files['Keras with a lambda'] = (lambda p: load_keras(p, ('a', 'b'))), keras_file('lambda', keras.layers.Lambda(run, output_shape=(4,)))
pwned.rmdir() if pwned.exists() else None # Keras ran it while the file was made

load_model('wbc5') # what is imported when the first model is opened
on.append(True)
for name, (load, path) in files.items():
    try: load(path)
    except Exception as e: told[name] = f'{type(e).__name__}: {e}'
    else: told[name] = ''
on.clear()
print(json.dumps(dict(told=told, pwned=pwned.exists(), seen=seen)))
on.append(True)
pickle.load(open(place/'evil.pkl', 'rb')) # this is seen, so that the above means something
'''


def test_model_files_run_nothing_and_fetch_nothing(tmp_path):
    pytest.importorskip('keras')
    pytest.importorskip('onnx')
    seen, got = seen_by('on.clear()\n' + HOSTILE, tmp_path, tmp_path)
    assert ('pickle.find_class', "('posix', 'mkdir')") in seen and (tmp_path/'pwned').exists(), got.stderr[-3000:]
    said = json.loads(got.stdout.splitlines()[-1])
    assert not said['pwned'] and not said['seen'], said['seen']
    assert len(said['told']) == 16
    for name, why in said['told'].items():
        assert why.split(':')[0] in ('BundleError', 'WeightsError', 'KerasFileError'), (name, why)
