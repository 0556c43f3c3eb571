"""A foundation model from its file to a table: trained head, bundle, prediction without torch, another laboratory. Here its weights are random
and it has one of its twelve blocks."""
from dataclasses import replace

import numpy as np
import torch

from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.data.datasets import folder_images
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.adapt import adapt
from blood_cell_cancer.models.backbones import FOUNDATION, recipe
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.nets import timm_backbone
from blood_cell_cancer.models.training import train
from blood_cell_cancer.use.export import export_onnx
from blood_cell_cancer.use.stream import open_onnx


def test_from_a_file_to_a_table(tmp_path, monkeypatch):
    b = FOUNDATION['dinobloom_small']
    monkeypatch.setitem(FOUNDATION, b.name, replace(b, timm_kwargs={**b.timm_kwargs, 'depth': 1}))
    file = tmp_path/'DinoBloom-S.pth'
    state = timm_backbone('dinobloom_small').state_dict()
    torch.save(dict(teacher={f'backbone.{k}': v for k, v in state.items()}), file)
    make_phantoms(tmp_path/'cells', n=dict(basophil=4, myeloblast=4))
    images = split_images(folder_images(tmp_path/'cells', classes='folders', progress=False), 'image', sizes=(.5, .25, .25))
    model = train(images, recipe('dinobloom', weights=str(file), views=1, epochs=2), progress=False)
    assert model.weights == 'file DinoBloom-S.pth'
    assert model.parameters == (sum(v.numel() for v in state.values()) + 2*385, 2*385)
    for k, v in model.net.body.state_dict().items(): torch.testing.assert_close(v, state[k])
    bundle = model.save(tmp_path/'bloom.bundle')
    want = model.predict(images, progress=False).filter(like='p_').to_numpy()
    np.testing.assert_array_equal(load_model(bundle).predict(images, progress=False).filter(like='p_').to_numpy(), want)
    export_onnx(bundle)
    np.testing.assert_allclose(open_onnx(bundle).predict(images, progress=False).filter(like='p_').to_numpy(), want, atol=1e-4)
    make_phantoms(tmp_path/'new', n=dict(basophil=5, myeloblast=5), seed=SEED + 1)
    new = folder_images(tmp_path/'new', classes='folders', progress=False)
    theirs = adapt(model, new, progress=False)
    assert theirs.classes == model.classes and theirs.recipe.backbone == 'dinobloom_small'
