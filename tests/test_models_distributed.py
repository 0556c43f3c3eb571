"Two processes on a processor train one recipe."
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('accelerate', reason="training in several processes needs accelerate: pip install 'blood_cell_cancer[distributed]'")

SCRIPT = '''
import json, sys
from pathlib import Path
import torch
from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.distributed import processes
from blood_cell_cancer.models.training import train
from blood_cell_cancer.models.features import CachedDL

torch.set_num_threads(1)
folder, seen = Path(sys.argv[1]), {}
create = CachedDL.create_batch
def watched(self, rows):
    if len(self.z) == 30: seen.setdefault(self.epoch, []).extend(int(r) for r in rows)
    return create(self, rows)
CachedDL.create_batch = watched
images = split_images(folder_images(folder/'cells', progress=False), 'image', sizes=(.6, .2, .2))
r = recipe('demo', weights='random', size=64, epochs=2, batch=5, views=2, patience=0)
model = train(images, r, folder=folder/'run', progress=False, device='cpu', precision='fp32')
total = float(sum(p.double().abs().sum() for p in model.net.parameters()))
history = model.history.drop(columns='seconds').to_dict('list')
(folder/f'said{processes()[0]}.json').write_text(json.dumps(dict(seen=seen, total=total, history=history)))
'''


def test_two_processes_train_one_network(tmp_path):
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    make_phantoms(tmp_path/'cells', n=10)
    (tmp_path/'script.py').write_text(SCRIPT)
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2',
                           str(tmp_path/'script.py'), str(tmp_path)],
                          env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path/f'said{i}.json').read_text()) for i in (0, 1))
    assert first['history'] == second['history'] and len(first['history']['epoch']) == 2
    assert first['total'] == second['total']
    for epoch in '0', '1':
        a, b = first['seen'][epoch], second['seen'][epoch]
        assert sorted(a + b) == list(range(30)) and len(a) == len(b)
    assert first['seen']['0'] != first['seen']['1']
    assert {p.name for p in Path(tmp_path/'run').iterdir()} == {'best.safetensors', 'last2.safetensors', 'run.json', 'started.json',
                                                                'feature-cache'}


def test_on_several_gpus_it_is_the_same_network(monkeypatch):
    """Batch norm is shared there, and timm's, unlike torch's, ends in an activation."""
    from types import SimpleNamespace

    import fastai.distributed
    import torch
    from blood_cell_cancer.models.distributed import distributed_training
    from blood_cell_cancer.models.nets import CutNet

    class NoLoaders(list):
        device = torch.device('cuda')
    torch.manual_seed(0)
    net, x = CutNet('mobilenetv2', 5).eval(), torch.randn(2, 3, 64, 64)
    learn, added = SimpleNamespace(dls=NoLoaders(), model=net, remove_cb=lambda cb: None), []
    learn.add_cb = added.append
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setattr(fastai.distributed, 'Accelerator', lambda **kw: SimpleNamespace(prepare=lambda model: model))
    with torch.no_grad(): want = net(x)
    with torch.no_grad(), distributed_training(learn):
        added[0].learn = learn
        added[0].before_fit()
        assert any(isinstance(m, torch.nn.SyncBatchNorm) for m in learn.model.modules())
        assert torch.allclose(learn.model(x), want, atol=1e-5)
