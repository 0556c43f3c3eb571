"Too slow for a notebook: the deepest network, apart and together."
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
