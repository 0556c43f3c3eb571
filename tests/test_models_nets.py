"Too slow for a notebook, or of several of them: the deepest network, apart and together; a network cut at a layer, from training to its bundle."
import json

import pytest
import torch

from blood_cell_cancer.models.nets import CutNet, chain, count_parameters


def test_resnet152v2_comes_apart_at_its_cut():
    net = CutNet('resnet152v2', 5).eval()
    assert count_parameters(net) == (58_891_269, 15_002_373)
    x = y = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for _, f in chain(net.body): y = f(y)
        torch.testing.assert_close(y, net.body(x))
        torch.testing.assert_close(net.suffix(net.prefix(x)), net(x))


@pytest.mark.parametrize('views', [0, 2]) # without and with a feature cache
def test_a_network_cut_at_a_layer_is_trained_kept_and_loaded(tmp_path, views):
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.splits import split_images
    from blood_cell_cancer.evaluate.report import evaluate
    from blood_cell_cancer.models.bundle import BundleError, load_model, model_card
    from blood_cell_cancer.models.training import train
    make_phantoms(tmp_path/'cells', n=5, size=32)
    images = split_images(folder_images(tmp_path/'cells', progress=False), 'image', sizes=(.6, .2, .2))
    settings = dict(backbone='resnet18', cut='layer3', head='linear', weights='random', size=32, epochs=1, batch=4, views=views)
    model = train(images, 'demo', folder=tmp_path/'run', progress=False, device='cpu', **settings)
    start = CutNet('resnet18', 5, 'layer3', 'linear')
    assert model.parameters[1] == 2_099_712 + 8_393_728 + 512*5 + 5 == count_parameters(start)[1]
    assert model.net.behind_cut == start.behind_cut
    assert len([*(tmp_path/'run').rglob('feature-cache/*.npy')]) == (2 if views else 0) # training and validation images
    report = None if views else evaluate(model, images, saliency=0, progress=False)
    assert views or dict(report.facts)['cut and head'] == 'layer3, linear'
    back = load_model(model.save(tmp_path/'cut.bundle', report=report))
    assert back.recipe == model.recipe and back.net.behind_cut == start.behind_cut and back.parameters == model.parameters
    assert (back.logits(images, progress=False) == model.logits(images, progress=False)).all()
    assert model_card(tmp_path/'cut.bundle') == (tmp_path/'cut.bundle'/'README.md').read_text(encoding='utf-8')
    facts = json.loads((tmp_path/'cut.bundle'/'bundle.json').read_text())
    facts['recipe']['cut'] = 'layer9'
    (tmp_path/'cut.bundle'/'bundle.json').write_text(json.dumps(facts))
    with pytest.raises((BundleError, ValueError), match="no cut is called 'layer9'.*'layer3', 'layer4'"): load_model(tmp_path/'cut.bundle')


def test_the_keras_engine_has_no_cut_at_a_layer(tmp_path):
    from blood_cell_cancer.models.keras.nets import keras_net
    with pytest.raises(ValueError, match='a cut in the fastai engine alone'): keras_net('mobilenetv2', 5, 'blocks.6', size=32)
