"Weight conversion of all six backbones: same features, same tensors behind the cut, same counts, and a round trip that is exact."
import copy
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.models.backbones import IMAGENET, backbone, trainable_names
from blood_cell_cancer.models.convert import ConversionError, KERAS_KWARGS, _keras_maps, keras_shaped, load_checked, pair_tensors, parity, randomise, to_keras, to_timm, torch_pixels
from blood_cell_cancer.models.keras.nets import count_keras_parameters, inner_stats, keras_net, keras_pixels, set_inner_stats, set_keras_cut
from blood_cell_cancer.models.keras.setup import import_keras
from blood_cell_cancer.models.nets import CutNet, count_parameters, make_head

# not importorskip: that would import TensorFlow before triton, and the process would abort
pytestmark = pytest.mark.skipif(find_spec('keras') is None, reason='keras is not installed')

# total and trainable for five and four classes with the last 30 Keras layers and system 1's head, as Keras counts them
COUNTS = dict(mobilenetv2=((2_620_997, 1_888_645), (2_620_868, 1_888_516)), efficientnetb0=((4_412_584, 1_858_405), (4_412_455, 1_858_276)),
              convnext_tiny=((28_052_069, 16_905_221), (28_051_940, 16_905_092)),
              resnet152v2=((58_891_269, 15_002_373), (58_891_140, 15_002_244)),
              vgg19=((20_190_789, 20_190_021), (20_190_660, 20_189_892)), densenet201=((18_848_837, 1_635_205), (18_848_708, 1_635_076)))
ONLY_IN_KERAS = dict(efficientnetb0=7) # mean, variance and count of its normalising layer
SIZE = 64


def noise(size=SIZE, n=2): return np.random.default_rng(SEED).integers(0, 256, (n, size, size, 3)).astype('uint8')


@pytest.fixture(scope='module', params=list(COUNTS))
def both(request):
    "A random timm backbone and the same in Keras: built once, for that takes seconds; the last test alone leaves other weights in it."
    name = request.param
    net = randomise(keras_shaped(name))
    return name, net, to_keras(net, name, size=SIZE)


def test_features_agree(both):
    name, net, model = both
    stats = backbone(name).stats
    features = net(torch_pixels(noise(), *stats)).detach().numpy()
    assert features.shape == (2, backbone(name).features)
    assert .02 < features.std() < 20, 'features of another size would make the limit below mean something else'
    maps, averaged = _keras_maps(model, keras_pixels(model, noise(), *stats))
    assert np.abs(averaged - features).max() < 1e-4
    assert np.abs(maps - net.forward_features(torch_pixels(noise(), *stats)).detach().numpy()).max() < 1e-4


def test_other_means_need_no_surgery(both):
    "Weights with other statistics than those inside Keras' network agree too, through the pixels that it is fed."
    name, net, model = both
    other = (.45,)*3, (.25,)*3
    assert np.abs(model(keras_pixels(model, noise(), *other), training=False).numpy() - net(torch_pixels(noise(), *other)).detach().numpy()).max() < 1e-4


def test_inner_statistics_survive_and_are_checked(both):
    name, _, model = both
    inside = inner_stats(model)
    assert (inside is not None) == (name in ('efficientnetb0', 'convnext_tiny'))
    assert inside is None or np.allclose(inside, backbone(name).stats, atol=1e-6)
    if name != 'efficientnetb0': return # of the others nothing can be set
    set_inner_stats(model, (.5,)*3, (.5,)*3)
    with pytest.raises(ConversionError, match='call set_inner_stats'): to_timm(model, name)
    set_inner_stats(model, *backbone(name).stats)


def test_round_trip_is_exact(both):
    name, net, model = both
    other = copy.deepcopy(net) # building one takes seconds
    for value in other.state_dict().values(): value.zero_()
    state = to_timm(model, name, other)
    assert set(state) == set(net.state_dict())
    for tensor, value in net.state_dict().items():
        assert tensor.endswith('num_batches_tracked') or torch.equal(value, state[tensor]), tensor


@torch.no_grad()
def test_every_tensor_matters(both):
    "Weights sampled along the whole network change the features, so the test above would have shown a swapped or forgotten one."
    name, net, model = both
    x = torch_pixels(noise(n=1), *backbone(name).stats)
    before, pairs, state = net(x), pair_tensors(net, model, name), net.state_dict()
    for pair in pairs[::len(pairs)//16]:
        kept = state[pair.tensor].clone()
        state[pair.tensor].mul_(1.5).add_(.1)
        assert not torch.allclose(net(x), before, rtol=1e-6, atol=0), pair.tensor
        state[pair.tensor].copy_(kept)


def test_same_tensors_train(both):
    name, net, model = both
    set_keras_cut(model, name, 'last30')
    in_keras = {id(w) for w in model.trainable_weights}
    converted = {p.tensor for p in pair_tensors(net, model, name) if id(p.variable) in in_keras}
    assert converted == set(trainable_names([n for n, _ in net.named_parameters()], backbone(name), 'last30'))


def test_the_cut_is_the_last_30_layers(both):
    name, _, model = both
    keras = import_keras()
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    counted = [layer for layer in model.layers if layer is not pools[-1] and not isinstance(layer, keras.layers.InputLayer)][-30:]
    assert counted[0].name == backbone(name).keras_last30


@pytest.mark.parametrize('classes', [5, 4])
def test_counts(both, classes):
    name, net, model = both
    total, trainable = COUNTS[name][5 - classes]
    assert count_keras_parameters(keras_net(name, classes, body=model)) == (total, trainable)
    names = trainable_names([n for n, _ in net.named_parameters()], backbone(name), 'last30')
    whole = torch.nn.ModuleDict(dict(body=net, head=make_head(backbone(name).features, classes)))
    for n, p in net.named_parameters(): p.requires_grad_(n in names)
    assert count_parameters(whole) == (total - ONLY_IN_KERAS.get(name, 0), trainable)


@pytest.mark.parametrize('size', [75, 97])
@pytest.mark.parametrize('name', ['mobilenetv2', 'efficientnetb0'])
def test_padding_agrees_at_odd_and_even_sizes(name, size):
    "At even ones, `test_features_agree` shows it: 64."
    assert parity(name, noise(size, 1)) < 1e-4


@pytest.mark.parametrize('both', ['resnet152v2'], indirect=True)
def test_timms_own_resnet_is_another_network(both):
    import timm
    _, ours, model = both
    plain, ours = timm.create_model('resnetv2_152', num_classes=0), copy.deepcopy(ours)
    with pytest.raises(ConversionError,
                       match="stem.conv of the timm network holds .'weight'., but conv1_conv of the Keras network .'bias', 'weight'."):
        pair_tensors(plain, model, 'resnet152v2')
    theirs, state = plain.state_dict(), ours.state_dict() # made once, for each takes long
    for tensor, value in state.items():
        if tensor.endswith('bias') and tensor not in theirs: value.zero_()
    plain.load_state_dict({n: v for n, v in state.items() if n in theirs}, strict=True)
    x = torch_pixels(noise(), *backbone('resnet152v2').stats)
    with torch.no_grad():
        assert (plain.eval()(x) - ours(x)).abs().max() > .01, 'with the same weights and biases of zero the strides alone differ'


@pytest.mark.parametrize('name,head,kwargs', [('efficientnetb0', 'system1', {}), ('mobilenetv2', 'linear', dict(pad_type='same'))],
                         ids=['efficientnetb0-system1', 'mobilenetv2-linear'])
def test_whole_classifier(name, head, kwargs, tmp_path):
    "A classifier is converted from a float16 file; the .keras file keeps it, epsilon and inner statistics included."
    net = CutNet(name, 4, 'last30', head, **kwargs)
    halves = {n: v.half() if v.is_floating_point() else v for n, v in randomise(net).state_dict().items()}
    load_checked(net, halves)
    logits = net(torch_pixels(noise(), *backbone(name).stats)).detach().numpy()
    model = to_keras(halves, name, size=SIZE, kwargs=kwargs)
    fed = keras_pixels(model, noise(), *backbone(name).stats)
    assert np.abs(model(fed, training=False).numpy() - logits).max() < 1e-4 and np.std(logits) > .01
    model.save(tmp_path/'whole.keras')
    saved = import_keras().saving.load_model(tmp_path/'whole.keras', safe_mode=True)
    assert np.abs(saved(fed, training=False).numpy() - logits).max() < 1e-4
    if name == 'mobilenetv2': assert saved.layers[0].get_layer('bn_Conv1').epsilon == net.body.bn1.eps == 1e-5 # Keras' own is 1e-3
    back = to_timm(saved, name)
    assert all(torch.equal(v, back[n]) for n, v in net.state_dict().items() if not n.endswith('num_batches_tracked'))


def test_a_classifier_as_system_1_builds_it():
    "Its layers stand in a row behind the backbone, averaging included, and it ends in a softmax."
    keras = import_keras()
    layers = keras.layers
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    theirs = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(256, 'relu'), layers.BatchNormalization(),
                               layers.Dropout(.5),
                               layers.Dense(128, 'relu'), layers.BatchNormalization(), layers.Dropout(.4), layers.Dense(5, 'softmax')])
    net = CutNet('mobilenetv2', 5, **KERAS_KWARGS['mobilenetv2'])
    state = to_timm(theirs, 'mobilenetv2', net)
    assert state.keys() == to_timm(theirs, 'mobilenetv2').keys() == net.state_dict().keys()
    x = torch_pixels(noise(), *backbone('mobilenetv2').stats)
    probs = net.eval()(x).softmax(1).detach().numpy()
    assert np.abs(theirs(x.numpy().transpose(0, 2, 3, 1), training=False).numpy() - probs).max() < 1e-5


REAL = 'mobilenetv2_100_same.tfhub_ptq_in1k.fp16.safetensors'


def real_images(size):
    "Every 80th image of BLOOD_CELLS_DATA, else noise."
    from PIL import Image
    folder = os.environ.get('BLOOD_CELLS_DATA')
    files = sorted(p for p in Path(folder).rglob('*') if p.suffix.lower() in ('.jpg', '.png'))[::80][:64] if folder else []
    return np.stack([np.asarray(Image.open(f).convert('RGB').resize((size, size))) for f in files]) if files else noise(size)


@pytest.fixture(scope='module')
def real():
    "Real MobileNetV2 weights, and the network that they belong to."
    if not os.environ.get('BLOOD_CELLS_WEIGHTS'): pytest.skip(f'BLOOD_CELLS_WEIGHTS names no folder with {REAL}')
    path = Path(os.environ['BLOOD_CELLS_WEIGHTS'])/REAL
    if not path.is_file(): pytest.skip(f'no {REAL} in the folder that BLOOD_CELLS_WEIGHTS names')
    from blood_cell_cancer.models.weights import find_weights
    weights = find_weights('mobilenetv2', path)
    return weights, load_checked(keras_shaped('mobilenetv2', weights.timm_kwargs), weights.state)


def test_real_weights_agree(real):
    weights, body = real
    stats, pixels = (weights.mean, weights.std), real_images(224)
    assert body(torch_pixels(pixels[:4], *stats)).std() > .1
    assert parity('mobilenetv2', pixels, body, stats) < 1e-4
    back = to_timm(to_keras(weights.state, 'mobilenetv2', kwargs=weights.timm_kwargs), 'mobilenetv2')
    assert all(torch.equal(v, back[n]) for n, v in weights.state.items() if n in back and not n.endswith('num_batches_tracked'))


@torch.no_grad()
def test_what_is_left_is_rounding(real):
    "On the map of real weights the engines are as far from each other as each is from double precision."
    weights, body = real
    stats, pixels = (weights.mean, weights.std), real_images(224)
    x = torch_pixels(pixels, *stats)
    exact = copy.deepcopy(body).double().forward_features(x.double())
    rounding = float((body.forward_features(x) - exact).abs().max())
    between = parity('mobilenetv2', pixels, body, stats, of='map')
    print(f'{len(pixels)} images, map: between the engines {between:.1e}, torch to double precision {rounding:.1e}')
    assert between < 3*rounding < 1e-3


PREPROCESS = dict(mobilenetv2='mobilenet_v2', efficientnetb0='efficientnet', convnext_tiny='convnext', resnet152v2='resnet_v2',
                  vgg19='vgg19', densenet201='densenet')


def test_weights_of_keras_hub(both, monkeypatch):
    "Keras' own network on Keras' own preprocessing gives the features of ours with mean and std; Keras asks for the file that we name."
    from blood_cell_cancer.models.keras import weights as engine
    from blood_cell_cancer.models.weights import find_weights
    name, _, body = both
    keras, asked = import_keras(), []
    published = getattr(keras.applications, backbone(name).keras)
    with monkeypatch.context() as m: # what is fetched are the random weights of the network that was just built
        m.setattr(keras.applications, backbone(name).keras, lambda **kwargs: published(**{**kwargs, 'input_shape': (SIZE, SIZE, 3)}))
        m.setattr('keras.src.utils.file_utils.get_file', lambda fname, *args, **kwargs: asked.append(fname))
        m.setattr(keras.Model, 'load_weights', lambda *args, **kwargs: None)
        keras.utils.set_random_seed(SEED)
        hub = engine.hub_backbone(name)
    assert asked == [engine.HUB_FILES[name]]
    if name == 'efficientnetb0': # Keras' file keeps the std where its layer wants the variance, and a further layer makes up for it
        front = next(layer for layer in hub.layers if isinstance(layer, keras.layers.Normalization))
        for variable, value in zip((front.adapt_mean, front.adapt_variance), IMAGENET): variable.assign(value)
        front.finalize_state()
    monkeypatch.setattr(engine, 'hub_backbone', lambda name: hub)
    w = find_weights(name, 'keras')
    mean, std = engine.load_hub_weights(body, name) or (w.mean, w.std)
    np.testing.assert_allclose((mean, std), (w.mean, w.std), rtol=1e-4)
    pixels, features = noise(n=1).astype('float32'), lambda net, x: net(x, training=False).numpy()
    wanted = features(hub, import_module(f'keras.applications.{PREPROCESS[name]}').preprocess_input(pixels.copy()))
    ours, by_255 = features(body, np.concatenate([keras_pixels(body, pixels, mean, std), pixels/255]))
    assert np.ptp(wanted) and np.abs(ours - wanted).max()/np.abs(wanted).max() < 1e-3
    assert np.abs(by_255 - wanted).max() > 1e-2*np.abs(wanted).max(), 'a test that 255 cannot fail shows nothing'
