"Prediction on a local Ray cluster of two workers: the same table though a worker is killed, or the caller."
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.uncertainty import fit_uncertainty
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.training import train
from blood_cell_cancer.use.export import export_onnx
from blood_cell_cancer.use.stream import predict_stream

pytestmark = pytest.mark.skipif(find_spec('ray') is None, reason='ray is not installed')
LINKS = 12 # names a phantom: enough files to be killed among


@pytest.fixture(scope='module')
def setting(tmp_path_factory):
    "A bundle with uncertainty, a folder of many names and one file that is no image, and the table of one process."
    place = tmp_path_factory.mktemp('ray')
    images = split_images(folder_images(make_folder(place/'few'), progress=False), 'image', sizes=(.4, .4, .2))
    model = train(images, recipe('demo', backbone='test_resnet', cut='head', weights='random', size=64, epochs=1, batch=8), progress=False, device='cpu')
    uncertainty = fit_uncertainty(model, images, coverage=.8, k=2, progress=False)
    # Its limits are scores of validation images, which would lie on the edge and fall to either side by rounding.
    model.uncertainty = replace(uncertainty, thresholds=tuple(t + 1e-3 for t in uncertainty.thresholds), limit=uncertainty.limit*1.01)
    bundle = model.save(place/'tiny.bundle')
    export_onnx(bundle)
    many = place/'many'
    many.mkdir()
    for p in sorted((place/'few').rglob('*.jpg')):
        for i in range(LINKS): os.link(p, many/f'{i:02}_{p.name}')
    (many/'05_broken.jpg').write_text('no image')
    return place, bundle, many, read(predict_stream(bundle, many, place/'one.csv', progress=False))


def start_ray(tries=3):
    "Ray gives itself 30 seconds to start, which a crowded machine may miss."
    import ray
    for i in range(tries):
        try:
            ray.init(num_cpus=2, include_dashboard=False, logging_level='error', log_to_driver=False)
            return ray
        except Exception as e:
            if 'timed out during startup' not in str(e) or i == tries - 1: raise
            ray.shutdown()


@pytest.fixture(scope='module')
def cluster():
    ray = start_ray()
    yield ray
    ray.shutdown()


def make_folder(folder):
    make_phantoms(folder, n=8)
    return folder


def read(path): return pd.read_csv(path, keep_default_na=False)


def agree(table, want):
    "Word by word, and numbers to the rounding of another batch."
    assert table.columns.tolist() == want.columns.tolist()
    assert (table['error'] != '').sum() == 1
    for c in table:
        if c.startswith('p_') or c == 'ood_score':
            assert (pd.to_numeric(table[c]).fillna(-1) - pd.to_numeric(want[c]).fillna(-1)).abs().max() < 1e-5, c
        else: assert table[c].tolist() == want[c].tolist(), c


def workers():
    "Process ids of Ray's workers that hold a bundle."
    names = {}
    for p in Path('/proc').glob('[0-9]*'):
        try: names[int(p.name)] = (p/'cmdline').read_bytes().decode(errors='replace')
        except OSError: pass
    return [pid for pid, name in names.items() if name.startswith('ray::') and 'Worker' in name]


def rows_in(part): return part.read_bytes().count(b'\n') if part.exists() else 0


def test_a_worker_is_killed(setting, cluster):
    from blood_cell_cancer.use.ray import predict_ray
    place, bundle, many, want = setting
    killed, out = [], place/'killed.csv'
    def kill_one():
        while rows_in(out.with_name(f'{out.name}.part.csv')) < 40: time.sleep(.01)
        at_work = workers()
        os.kill(at_work[0], signal.SIGKILL)
        killed.append((at_work, rows_in(out.with_name(f'{out.name}.part.csv'))))
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    table = read(predict_ray(bundle, many, out, workers=2, batch=8, progress=False))
    killer.join(1)
    (at_work, rows), = killed
    # Ray may have started a third already.
    assert len(at_work) >= 2 and rows < len(want), 'killed while both were at work'
    agree(table, want)


def test_the_caller_is_killed_and_called_again(setting, cluster):
    from blood_cell_cancer.use.ray import predict_ray
    place, bundle, many, want = setting
    out, code = place/'again.csv', 'import sys; from blood_cell_cancer.use.ray import predict_ray; predict_ray(*sys.argv[1:4], workers=1, batch=8, progress=False)'
    caller = subprocess.Popen([sys.executable, '-c', code, bundle, many, out],
                              env={**os.environ, 'RAY_ADDRESS': cluster.get_runtime_context().gcs_address})
    while rows_in(out.with_name(f'{out.name}.part.csv')) < 40 and caller.poll() is None: time.sleep(.01)
    caller.kill()
    assert caller.wait() == -signal.SIGKILL and not out.exists()
    left = rows_in(out.with_name(f'{out.name}.part.csv'))
    assert 40 <= left < len(want)
    agree(read(predict_ray(bundle, many, out, workers=2, batch=8, progress=False)), want)


def test_a_worker_that_cannot_see_the_folder_ends_the_run(setting, cluster, monkeypatch):
    from blood_cell_cancer.use import ray as module
    place, bundle, many, _ = setting
    monkeypatch.setattr(module, 'file_names', lambda what: (place/'elsewhere', ['a.jpg']))
    with pytest.raises(Exception, match='does not see'): module.predict_ray(bundle, many, place/'unseen.csv', workers=1, progress=False)
