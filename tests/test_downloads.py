"Downloads from a server on this computer that is slow, breaks off, sends wrong bytes or nothing, or an archive that wants to write elsewhere."
import base64
import hashlib
import io
import json
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Server(ThreadingHTTPServer):
    "Serves `files`, and does it as `how` says: whole, slow, cut (breaks off in the middle) or missing (404)."
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files, self.how, self.asked = {}, 'whole', []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self): return f'http://127.0.0.1:{self.server_port}'


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args): pass

    def answer(self, body=True):
        self.server.asked.append(f'{self.command} {self.path}')
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        found = next((v for k, v in self.server.files.items() if self.path.split('?')[0].endswith(k)), None)
        if found is None or self.server.how == 'missing': return self.send_error(404)
        data, headers = found
        self.send_response(200)
        for k, v in {'Content-Length': len(data), **headers}.items(): self.send_header(k, str(v))
        self.end_headers()
        if not body: return
        if self.server.how == 'cut' and 'json' not in headers.get('Content-Type', ''):
            self.wfile.write(data[:len(data)//2])
            self.close_connection = True
            return
        if self.server.how == 'slow':
            for i in range(0, len(data), max(1, len(data)//5)):
                self.wfile.write(data[i:i + max(1, len(data)//5)])
                self.wfile.flush()
                time.sleep(.05)
            return
        self.wfile.write(data)

    def do_GET(self): self.answer()
    def do_POST(self): self.answer()
    def do_HEAD(self): self.answer(body=False)


@pytest.fixture
def server():
    s = Server()
    yield s
    s.shutdown()
    s.server_close()


# Kaggle, through kagglehub: `fetch` and what reads it.
def as_kaggle(server, home, drawn, patch):
    "Let kagglehub take the server for Kaggle, and `drawn` be the data set wbc5; gives a function that sets what the archive holds besides, or instead."
    import pandas as pd
    from kagglesdk import kaggle_env
    from blood_cell_cancer.data import datasets
    patch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    patch.setenv('KAGGLEHUB_CACHE', str(home/'cache'))
    patch.setenv('HOME', str(home))
    for name in ('BLOOD_CELLS_DATA', 'KAGGLE_USERNAME', 'KAGGLE_KEY', 'KAGGLE_API_TOKEN', 'KAGGLE_API_ENVIRONMENT'): patch.delenv(name, raising=False)
    files = {p.relative_to(drawn).as_posix(): p.read_bytes() for p in sorted(drawn.rglob('*.jpg'))}
    rows = [dict(path=k, label=k.split('/')[0], sha256=hashlib.sha256(v).hexdigest()) for k, v in files.items()]
    patch.setattr(datasets, 'manifest', lambda name: pd.DataFrame(rows))
    def serve(changed=()):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, 'w') as z:
            for k, v in (files | dict(changed)).items(): z.writestr(k, v)
        server.files = {'GetDataset': (json.dumps(dict(currentVersionNumber=1)).encode(), {'Content-Type': 'application/json'}),
                        'DownloadDataset': (buffer.getvalue(), {'Content-Type': 'application/zip'})}
        return list(files)
    return serve


@pytest.fixture
def kaggle(server, tmp_path, monkeypatch):
    pytest.importorskip('kagglehub')
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    make_phantoms(tmp_path/'drawn', n=2, size=32)
    return as_kaggle(server, tmp_path, tmp_path/'drawn', monkeypatch)


def fetched():
    from blood_cell_cancer.data.datasets import load_images
    return load_images('wbc5', progress=False)


@pytest.mark.parametrize('how', ['whole', 'slow'])
def test_kaggle_is_fetched_once(kaggle, server, how):
    server.how, names = how, kaggle()
    assert len(fetched()) == len(names)
    n = len([a for a in server.asked if 'DownloadDataset' in a])
    assert len(fetched()) == len(names) and n == 1 == len([a for a in server.asked if 'DownloadDataset' in a])


@pytest.mark.parametrize('how', ['cut', 'missing'])
def test_kaggle_that_fails_is_named_and_tried_again(kaggle, server, how, tmp_path):
    from blood_cell_cancer.data.folders import DataError
    names = kaggle()
    server.how = how
    with pytest.raises(DataError, match='(?s)wbc5 could not be fetched .* Fetch it by hand from Kaggle'): fetched()
    server.how = 'whole'
    assert len(fetched()) == len(names)


def test_kaggle_with_wrong_bytes_stops(kaggle, tmp_path):
    from blood_cell_cancer.data.folders import DataError
    from typer.testing import CliRunner
    from blood_cell_cancer.use.cli import app
    name, other, *_ = kaggle()
    kaggle({name: (tmp_path/'drawn'/other).read_bytes()})
    with pytest.raises(DataError, match=f'1 changed \\({Path(name).name}\\).*These are not the published files: delete .* and fetch it again'): fetched()
    said = CliRunner().invoke(app, ['fetch', 'wbc5'])
    assert said.exit_code and 'These are not the published files' in str(said.exception)


def test_an_archive_writes_nowhere_else(kaggle, tmp_path):
    from blood_cell_cancer.data.folders import DataError
    kaggle({'../'*6 + 'escaped.txt': b'x', f'{tmp_path}/absolute.txt': b'x'})
    before = {p for p in tmp_path.rglob('*') if (tmp_path/'cache') not in p.parents}
    try: fetched()
    except DataError: pass
    assert {p for p in tmp_path.rglob('*') if (tmp_path/'cache') not in p.parents} - {tmp_path/'cache'} == before
    assert any(p.name == 'escaped.txt' for p in (tmp_path/'cache').rglob('*')), 'the archive was not unpacked'


# Hugging Face's hub, for timm's networks.
def as_hub(server, monkeypatch, **more):
    "Let huggingface_hub take the server for the hub, without waiting between its tries."
    import huggingface_hub.constants as constants
    import huggingface_hub.file_download as download
    for name, value in dict(ENDPOINT=server.url, HUGGINGFACE_CO_URL_TEMPLATE=server.url + '/{repo_id}/resolve/{revision}/{filename}',
                            HF_HUB_OFFLINE=False, HF_HUB_DISABLE_XET=True, HF_HUB_DOWNLOAD_TIMEOUT=2, **more).items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(download.time, 'sleep', lambda s: None)


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    "The server as the hub with random weights of a small network; gives its tensors."
    from safetensors.torch import save
    from timm import create_model
    state = create_model('mobilenetv2_100').state_dict()
    data = save(state)
    as_hub(server, monkeypatch, HF_HUB_CACHE=str(tmp_path/'hub'))
    headers = {'ETag': f'"{hashlib.sha256(data).hexdigest()}"', 'X-Repo-Commit': '0'*40, 'Accept-Ranges': 'none'}
    server.files = {'model.safetensors': (data, headers)}
    return state


def from_hub():
    from blood_cell_cancer.models.weights import find_weights
    return find_weights('mobilenetv2', 'hub')


@pytest.mark.parametrize('how', ['whole', 'slow'])
def test_the_hub_is_asked_for_safetensors_and_once(hub, server, how):
    server.how = how
    got = from_hub()
    assert all((got.state[k] == hub[k]).all() for k in got.state)
    server.how, n = 'missing', len(server.asked)
    assert (from_hub().state['conv_stem.weight'] == hub['conv_stem.weight']).all()
    files = [a for a in server.asked if '/resolve/' in a]
    assert not any(a.startswith('GET') for a in server.asked[n:]) and all(a.endswith('/model.safetensors') for a in files), server.asked


@pytest.mark.parametrize('how', ['cut', 'missing'])
def test_a_hub_that_fails_is_named_and_tried_again(hub, server, how):
    from blood_cell_cancer.models.weights import WeightsError
    server.how = how
    with pytest.raises(WeightsError, match='download model.safetensors of timm/mobilenetv2_100'): from_hub()
    server.how = 'whole'
    assert (from_hub().state['conv_stem.weight'] == hub['conv_stem.weight']).all()


def test_a_hub_with_wrong_bytes_stops(hub, server, tmp_path):
    from blood_cell_cancer.models.weights import WeightsError
    data, headers = server.files['model.safetensors']
    server.files['model.safetensors'] = data[:-4] + b'evil', headers
    with pytest.raises(WeightsError, match='is damaged: its checksum is not the one that the hub states. Delete it'): from_hub()
    next((tmp_path/'hub').rglob('blobs/*')).unlink()
    server.files['model.safetensors'] = data, headers
    assert (from_hub().state['conv_stem.weight'] == hub['conv_stem.weight']).all()


# Models that are shared on the hub.
AS_JSON = {'Content-Type': 'application/json'}


class Hub(Handler):
    "Takes a commit, and serves what it took: `server.files` holds it."
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.server.asked.append(f'{self.command} {self.path}')
        said = {}
        if self.path.endswith('/repos/create'): said = dict(url=self.server.url + '/lab/cells')
        if '/preupload/' in self.path: said = dict(files=[dict(path=f['path'], uploadMode='regular', shouldIgnore=False) for f in json.loads(body)['files']])
        if '/commit/' in self.path: said = self.take([json.loads(line) for line in body.splitlines()])
        data = json.dumps(said).encode()
        self.send_response(200)
        for k, v in {'Content-Length': len(data), **AS_JSON}.items(): self.send_header(k, str(v))
        self.end_headers()
        self.wfile.write(data)

    def take(self, commit):
        "Keep the files of a commit, and what is asked about them later."
        name = hashlib.sha1(repr(commit).encode()).hexdigest()
        sent = {'/' + t['value']['path']: base64.b64decode(t['value']['content']) for t in commit if t['key'] == 'file'}
        files = {k: (data, {'ETag': f'"{hashlib.sha256(data).hexdigest()}"', 'X-Repo-Commit': name}) for k, data in sent.items()}
        for t in commit:
            if t['key'] == 'deletedFile': del self.server.files['/' + t['value']['path']]
        self.server.files |= files
        here = {k[1:]: len(data) for k, (data, _) in self.server.files.items() if k[0] == '/'}
        info = dict(id='lab/cells', modelId='lab/cells', sha=name, siblings=[dict(rfilename=k) for k in here], private=True, tags=[], downloads=0)
        tree = [dict(type='file', path=k, size=size, oid='2'*40) for k, size in here.items()]
        answers = {'lab/cells': info, 'revision/main': info, f'tree/{name}': tree, 'tree/main': tree}
        self.server.files |= {k: (json.dumps(v).encode(), AS_JSON) for k, v in answers.items()}
        return dict(commitUrl=f'{self.server.url}/lab/cells/commit/{name}', commitOid=name, success=True)


@pytest.fixture
def shared(server, tmp_path, monkeypatch):
    "The server as a hub to which models are uploaded; gives a client for it."
    from huggingface_hub import HfApi
    as_hub(server, monkeypatch)
    monkeypatch.setattr('huggingface_hub.hf_api.api.endpoint', server.url)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path/'cache'))
    server.RequestHandlerClass = Hub
    server.files['tree/main'] = b'[]', AS_JSON
    return HfApi(endpoint=server.url, token='hf_' + 'x'*20)


def test_a_model_goes_to_the_hub_and_comes_back(shared, server, tmp_path):
    import pandas as pd
    from blood_cell_cancer.models.backbones import IMAGENET, recipe
    from blood_cell_cancer.models.bundle import load_model
    from blood_cell_cancer.models.model import Model
    from blood_cell_cancer.models.nets import CutNet
    from blood_cell_cancer.models.shipped import bundle_folder, push_bundle
    r = recipe('demo', weights='random', size=64)
    model = Model(CutNet(r.backbone, 3, r.cut, r.head), 'fastai', r, ('a', 'b', 'c'), *IMAGENET, 'random', pd.DataFrame(), {})
    model.push_to_hub('lab/cells', api=shared)
    assert {'/README.md', '/bundle.json', '/weights.safetensors'} <= set(server.files)
    back = load_model('hf://lab/cells')
    assert all((a == b).all() for a, b in zip(model.net.state_dict().values(), back.net.state_dict().values()))
    fetched = [a for a in server.asked if a.startswith('GET') and '/resolve/' in a]
    load_model('hf://lab/cells')
    assert [a for a in server.asked if a.startswith('GET') and '/resolve/' in a] == fetched, 'what has not changed is not fetched again'
    # An exported network is not left behind by a model that has none: not there, and not where both were downloaded.
    exported = model.save(tmp_path/'exported.bundle')
    (exported/'model.onnx').write_bytes(b'network')
    facts = json.loads((exported/'bundle.json').read_text())
    (exported/'bundle.json').write_text(json.dumps(facts | dict(exports={'model.onnx': hashlib.sha256(b'network').hexdigest()})))
    push_bundle(exported, 'lab/cells', api=shared)
    assert '/model.onnx' in server.files and (bundle_folder('hf://lab/cells')/'model.onnx').is_file()
    model.push_to_hub('lab/cells', api=shared)
    assert '/model.onnx' not in server.files and not (bundle_folder('hf://lab/cells')/'model.onnx').exists()
    server.how = 'missing' # then from this computer
    assert load_model('hf://lab/cells').classes == model.classes
    with pytest.raises(ValueError, match='hf://lab/others could not be downloaded'): load_model('hf://lab/others')


# Keras' own hub.
@pytest.fixture
def keras_hub(server, tmp_path, monkeypatch):
    keras = pytest.importorskip('keras')
    from blood_cell_cancer.models.keras.weights import HUB_FILES
    from keras.src.applications import mobilenet_v2
    body = keras.applications.MobileNetV2(include_top=False, weights=None, pooling='avg', input_shape=(224, 224, 3))
    body.save(tmp_path/'whole.h5')
    server.files = {HUB_FILES['mobilenetv2']: ((tmp_path/'whole.h5').read_bytes(), {})}
    (tmp_path/'keras').mkdir() # else Keras takes a folder that all share
    monkeypatch.setattr(mobilenet_v2, 'BASE_WEIGHT_PATH', server.url + '/')
    monkeypatch.setattr('keras.src.backend.config._KERAS_DIR', str(tmp_path/'keras'))
    monkeypatch.setenv('KERAS_HOME', str(tmp_path/'keras'))
    return body


def from_keras():
    from blood_cell_cancer.models.keras.weights import hub_backbone
    return hub_backbone('mobilenetv2').get_weights()


def test_keras_fetches_fails_and_fetches_again(keras_hub, server):
    from blood_cell_cancer.models.weights import WeightsError
    want = keras_hub.get_weights()
    for how in ('missing', 'cut'):
        server.how = how
        with pytest.raises(WeightsError, match='could not be downloaded from its hub.*and put it into'): from_keras()
    for how in ('slow', 'missing'): # then from the cache
        server.how = how
        assert all((a == b).all() for a, b in zip(from_keras(), want))


def test_keras_with_wrong_bytes_stops(keras_hub, server):
    from blood_cell_cancer.models.weights import WeightsError
    name, (data, headers) = next(iter(server.files.items()))
    server.files[name] = b'no weights'*1000, headers
    with pytest.raises(WeightsError, match=f'{name} is damaged .*: delete it'): from_keras()
