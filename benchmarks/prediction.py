"""Prediction against what people use instead: speed, memory, cold start.

    python benchmarks/prediction.py             # everything, on drawn images: some 15 minutes on two calm cores
    python benchmarks/prediction.py --quick     # small, to see that it runs
    python benchmarks/prediction.py --only speed cold

Writes benchmarks/results/prediction.json and prediction.md; rows that are not run keep their last figures. Every ratio is of one run,
its repeats interleaved, so that a busy neighbour slows all alike; its spread is that of the ratios of single rounds. The work of the cores
(processor time, whoever else waits) is steadier than the clock where there are neighbours. The network is MobileNetV2 with
system 1's head for 5 classes and random weights, 224 pixels. Files come from the memory of the system (they were read once before).
"""
import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

import numpy as np

from machine import cpu_name, peak_mb, vector_instructions, versions

RESULTS = Path(__file__).parent/'results'
SIZE, CLASSES = 224, ('basophil', 'erythroblast', 'monocyte', 'myeloblast', 'seg_neutrophil')
PIECES = ('speed', 'large', 'engines', 'scale', 'cold')
SIDES = 2000, 4000 # of large originals, pixels


# ---- what is measured with

def untrained_bundle(place, uncertainty=False):
    "A bundle of an untrained network, exported; with uncertainty that compares with 3,495 training images, as many as system 1 had."
    import pandas as pd
    from blood_cell_cancer.models.backbones import recipe
    from blood_cell_cancer.models.bundle import save_bundle
    from blood_cell_cancer.models.uncertainty import Uncertainty, unit
    from blood_cell_cancer.models.nets import CutNet
    from blood_cell_cancer.models.model import Model
    from blood_cell_cancer.use.export import export_onnx
    r = recipe('wbc5_mobilenetv2', weights='random')
    model = Model(CutNet(r.backbone, 5), 'fastai', r, CLASSES, (.5,)*3, (.5,)*3, 'random', pd.DataFrame())
    if uncertainty:
        bank = unit(np.random.default_rng(0).normal(size=(3495, 1280)).clip(0)).astype(np.float16)
        model.uncertainty = Uncertainty(CLASSES, 1.5, .95, 'lac', False, (.9,)*5, 'knn', 10, .9, .95, dict(bank=bank))
    saved = save_bundle(model, place)
    export_onnx(saved)
    return saved


def make_links(folder, drawn, n):
    "n names for the drawn images, a thousand a folder."
    for i in range(n):
        if i % 1000 == 0: (folder/f'{i//1000:03}').mkdir(parents=True)
        os.link(drawn[i % len(drawn)], folder/f'{i//1000:03}'/f'{i:06}.jpg')
    return folder


def prepare(place, quick):
    "Drawn images, bundles, and the operations of one image."
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.use.export import quantise
    make_phantoms(place/'drawn', n=8 if quick else 40, seed=5, size=SIZE)
    images = folder_images(place/'drawn', progress=False)
    plain = untrained_bundle(place/'plain.bundle')
    quantise(plain, images.iloc[::4], images.iloc[::4])
    untrained_bundle(place/'uncertain.bundle', uncertainty=True)
    return images['path'].tolist()


# ---- contenders: each gives a function (folder, table) -> None

def files_of(folder): return sorted(Path(folder).rglob('*.jpg'))


def write_csv(out, files, probs):
    import pandas as pd
    pd.DataFrame(probs, columns=[f'p_{c}' for c in CLASSES]).assign(name=[str(f) for f in files]).to_csv(out, index=False)


def keras_single(place):
    "System 1's snippet in a loop, less its bar."
    from blood_cell_cancer.models.keras.nets import keras_net
    from blood_cell_cancer.models.keras.setup import import_keras
    keras = import_keras()
    net = keras_net('mobilenetv2', 5)
    def one(file):
        pixels = np.expand_dims(keras.utils.img_to_array(keras.utils.load_img(file, target_size=(SIZE, SIZE))), axis=0)
        pixels /= 255.
        return net.predict(pixels, verbose=0)[0]
    return lambda folder, out: write_csv(out, files_of(folder), [one(f) for f in files_of(folder)])


def keras_batches(place):
    "Keras' own loader and `predict`, 32 at a time."
    from blood_cell_cancer.models.keras.nets import keras_net
    from blood_cell_cancer.models.keras.setup import import_keras
    keras = import_keras()
    import tensorflow as tf
    net = keras_net('mobilenetv2', 5)
    def run(folder, out):
        data = keras.utils.image_dataset_from_directory(folder, labels=None, batch_size=32, image_size=(SIZE, SIZE), shuffle=False,
                                                        verbose=False)
        names, data = data.file_paths, data.map(lambda x: x/255., num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        write_csv(out, names, net.predict(data, verbose=0))
    return run


def timm_loader(place):
    "As timm's inference.py does by default: its data set, loader and transforms, 256 at a time, 2 worker processes, float32."
    import timm
    import torch
    from timm.data import create_dataset, create_loader, resolve_data_config
    net = timm.create_model('mobilenetv2_100', num_classes=5).eval()
    config = resolve_data_config({}, model=net)
    @torch.inference_mode()
    def run(folder, out):
        data = create_dataset('', root=str(folder))
        loader = create_loader(data, batch_size=256, use_prefetcher=True, num_workers=2, device=torch.device('cpu'), **config)
        probs = [net(x).softmax(-1).numpy() for x, _ in loader]
        write_csv(out, data.filenames(), np.concatenate(probs))
    return run


def fastai_learner(place):
    "As fastai's documentation predicts new files: `dls.test_dl` and `get_preds`."
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, vision_learner
    drawn = files_of(place/'drawn')
    dls = ImageDataLoaders.from_path_func(place/'drawn', drawn, lambda f: f.parent.name, valid_pct=.2, bs=64, num_workers=2,
                                          item_tfms=Resize(SIZE, method='squish'), batch_tfms=Normalize.from_stats([.5]*3, [.5]*3))
    learn = vision_learner(dls, 'mobilenetv2_100', pretrained=False, normalize=False)
    def run(folder, out):
        files = files_of(folder)
        with learn.no_bar(), learn.no_logging(): probs = learn.get_preds(dl=learn.dls.test_dl(files, num_workers=2))[0]
        write_csv(out, files, probs.numpy())
    return run


def torchvision_compiled(place):
    "As PyTorch's documentation has it: a DataLoader of torchvision's transforms, 64 at a time, and `torch.compile`."
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import models, transforms as T
    look = T.Compose([T.Resize((SIZE, SIZE)), T.ToTensor(), T.Normalize([.5]*3, [.5]*3)])
    class Files(Dataset):
        def __init__(self, files): self.files = files
        def __len__(self): return len(self.files)
        def __getitem__(self, i): return look(Image.open(self.files[i]).convert('RGB'))
    net = torch.compile(models.mobilenet_v2(num_classes=len(CLASSES)).eval(), dynamic=True)
    @torch.inference_mode()
    def run(folder, out):
        files = files_of(folder)
        write_csv(out, files, np.concatenate([net(x).softmax(-1).numpy() for x in DataLoader(Files(files), batch_size=64, num_workers=2)]))
    return run


def ours(place, bundle='plain.bundle', int8=False):
    from blood_cell_cancer.use.stream import predict_stream
    where = place/bundle if (place/bundle).exists() else bundle
    return lambda folder, out: predict_stream(where, folder, out, int8=int8, progress=False)


CONTENDERS = {'Keras, one image at a time (system 1\'s snippet)': keras_single, 'Keras in batches': keras_batches,
              'timm\'s inference script (its way)': timm_loader, 'fastai, dls.test_dl': fastai_learner,
              'torchvision and torch.compile': torchvision_compiled,
              'ours': ours, 'ours, 8 bits': lambda place: ours(place, int8=True),
              'ours, with uncertainty': lambda place: ours(place, 'uncertain.bundle')}


def whole(make, *args, **kwargs):
    "A contender of ours that does not reduce large images, as before 2026-11-29."
    def contender(place):
        from unittest.mock import patch
        run = make(place, *args, **kwargs)
        def patched(folder, out):
            with patch('blood_cell_cancer.use.stream.ENOUGH', 10**6): return run(folder, out)
        return patched
    return contender


SHIPPED = 'differential, 8 bits: the cell cut out'
LARGE = {'ours': ours, 'ours, images not reduced': whole(ours), SHIPPED: lambda place: ours(place, 'differential', True),
         f'{SHIPPED}, images not reduced': whole(ours, 'differential', True), 'Keras in batches': keras_batches,
         'timm\'s inference script (its way)': timm_loader}


class Child:
    "A contender in a process of its own, which stays warm between rounds."
    def __init__(self, name, place):
        self.process = subprocess.Popen([sys.executable, __file__, '--serve', name, '--place', place], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def seconds(self, folder): # on the clock, and of all cores
        self.process.stdin.write(f'{folder}\n')
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith('took '): return tuple(map(float, line.split()[1:]))
        raise RuntimeError(f'{self.process.args[3]} failed, see above')

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def core_seconds(): return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def serve(name, place):
    run = (CONTENDERS | LARGE)[name](place)
    for i, line in enumerate(sys.stdin):
        start, work = time.perf_counter(), core_seconds()
        run(Path(line.strip()), place/f'table-{os.getpid()}-{i}.csv')
        print(f'took {time.perf_counter() - start} {core_seconds() - work}', flush=True)


# ---- floors

def best(f, seconds=1.):
    "Processor seconds of the shortest of the calls that fit into some time: neighbours do not count."
    f()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.process_time()
        f()
        times.append(time.process_time() - start)
    return min(times)


def matrix_rate(int8=False, n=1024):
    "Operations a second of ONNX Runtime's own matrix product on one core."
    from onnx import TensorProto, helper
    import onnxruntime as ort
    kinds = [TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32] if int8 else [TensorProto.FLOAT]*3
    a, b, c = (helper.make_tensor_value_info(name, kind, [n, n]) for name, kind in zip('abc', kinds))
    graph = helper.make_graph([helper.make_node('MatMulInteger' if int8 else 'MatMul', ['a', 'b'], ['c'])], 'product', [a, b], [c])
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9).SerializeToString(),
                                   options, providers=['CPUExecutionProvider'])
    rng = np.random.default_rng(0)
    feed = dict(a=rng.integers(0, 99, (n, n)).astype(np.uint8),
                b=rng.integers(0, 99, (n, n)).astype(np.int8)) if int8 else {k: rng.random((n, n), np.float32) for k in 'ab'}
    return 2*n**3/best(lambda: session.run(None, feed))


def operations():
    "Operations of the network for one image: two for each multiplication of a convolution or a linear layer."
    import torch
    from blood_cell_cancer.models.nets import CutNet
    net, total = CutNet('mobilenetv2', 5).eval(), []
    def count(layer, _, out): total.append(2*layer.weight[0].numel()*out[0].numel())
    for layer in net.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)): layer.register_forward_hook(count)
    with torch.no_grad(): net(torch.zeros(1, 3, SIZE, SIZE))
    return sum(total)


def floors(drawn):
    "What a core can do: matrix products, decoding, reading."
    from blood_cell_cancer.core.io import read_image, to_pixels
    from blood_cell_cancer.core.machine import cores
    some = drawn[:40]
    size = sum(os.path.getsize(p) for p in some)
    return dict(cores=cores(), operations=operations(), matrix=matrix_rate(), matrix_int8=matrix_rate(int8=True),
                decode=len(some)/best(lambda: [to_pixels(read_image(p), SIZE) for p in some]), bytes=size/len(some),
                read=size/best(lambda: [Path(p).read_bytes() for p in some]))


def floor_seconds(f, int8=False):
    "Seconds of a core that arithmetic, decoding and reading of one image need."
    return f['operations']/f['matrix_int8' if int8 else 'matrix'] + 1/f['decode'] + f['bytes']/f['read']


# ---- the rows

def spread(values): return dict(median=median(values), low=min(values), high=max(values))


def speed(place, drawn, quick, rounds):
    "Images a second from folder to table, each contender in turn, several rounds."
    n, few = (64, 16) if quick else (512, 64)
    many, short = make_links(place/'speed', drawn, n), make_links(place/'speed_few', drawn, few)
    counts = {name: (few, short) if 'one image' in name else (n, many) for name in CONTENDERS}
    children, missing = {name: Child(name, place) for name in CONTENDERS}, []
    for name, child in list(children.items()): # the first call is for what is made once; `torch.compile` needs a compiler, and not all have one
        try: child.seconds(short)
        except RuntimeError:
            del children[name]
            missing.append(name)
    if 'ours' in missing or 'ours, 8 bits' in missing: raise RuntimeError('this package failed, see above')
    took = {name: [] for name in children}
    for _ in range(rounds):
        for name, child in children.items(): took[name].append([t/counts[name][0] for t in child.seconds(counts[name][1])])
    for child in children.values(): child.close()
    f, mine, small = floors(drawn), took['ours'], took['ours, 8 bits']
    def row(name, times):
        floor = floor_seconds(f, '8 bits' in name)
        return dict(name=name, images=counts[name][0], rate=spread([1/t for t, _ in times]),
                    ours_is=spread([t/o for (t, _), (o, _) in zip(times, mine)]),
                    int8_is=spread([t/o for (t, _), (o, _) in zip(times, small)]), core_ms=spread([1000*c for _, c in times]),
                    ours_works=spread([c/o for (_, c), (_, o) in zip(times, mine)]),
                    of_floor=floor/median(c for _, c in times) if name.startswith('ours') else None)
    return dict(rounds=rounds, missing=missing, floors=f, floor_rate=f['cores']/floor_seconds(f), floor_rate_int8=f['cores']/floor_seconds(f, True),
                rows=[row(*item) for item in took.items()])


def draw_large(folder, drawn, side, n):
    "Drawn cells enlarged to `side` pixels, with noise, as JPEG files."
    from PIL import Image
    folder.mkdir()
    for i in range(n):
        a = np.asarray(Image.open(drawn[i]).resize((side, side), Image.Resampling.BICUBIC), np.float32)
        a = a + np.random.default_rng(i).normal(0, 5, a.shape).astype(np.float32)
        Image.fromarray(np.clip(a, 0, 255).astype(np.uint8)).save(folder/f'{i:03}.jpg', quality=90)
    return folder


def large(place, drawn, quick, rounds):
    "Work of the cores for one large original, each contender in turn."
    n, rows = 4 if quick else 16, []
    children = {name: Child(name, place) for name in LARGE}
    for side in SIDES:
        folder = draw_large(place/f'large{side}', drawn, side, n)
        for child in children.values(): child.seconds(folder)
        took = {name: [] for name in children}
        for _ in range(rounds):
            for name, child in children.items(): took[name].append([t/n for t in child.seconds(folder)])
        for name, times in took.items():
            mine = took[SHIPPED if name.startswith(SHIPPED) else 'ours']
            rows.append(dict(side=side, name=name, rate=spread([1/t for t, _ in times]), core_ms=spread([1000*c for _, c in times]),
                             ours_is=spread([t/o for (t, _), (o, _) in zip(times, mine)])))
    for child in children.values(): child.close()
    return dict(rounds=rounds, files=n, rows=rows)


def engines(place, drawn, quick):
    "Work of one core for one image in ONNX Runtime, and in OpenVINO where it is installed; and how far the answers are apart."
    from blood_cell_cancer.core.io import read_image, to_pixels
    from blood_cell_cancer.use.stream import open_onnx
    full, small = (open_onnx(place/'plain.bundle', int8).session for int8 in (False, True))
    pixels = to_pixels(read_image(drawn[0]), SIZE)[None]
    calls = {'ONNX Runtime': lambda: full.run(['logits'], {'pixels': pixels})[0],
             'ONNX Runtime, 8 bits': lambda: small.run(['logits'], {'pixels': pixels})[0]}
    if find_spec('openvino'):
        import openvino as ov
        def request(file, **more):
            r = ov.Core().compile_model(place/'plain.bundle'/file, 'CPU',
                                        dict(INFERENCE_NUM_THREADS=1, NUM_STREAMS=1, **more)).create_infer_request()
            return lambda: r.infer({'pixels': pixels})['logits'].copy()
        calls |= {'OpenVINO, float32': request('model.onnx', INFERENCE_PRECISION_HINT='f32'),
                  'OpenVINO, as it chooses (bfloat16 where there is one)': request('model.onnx'),
                  'OpenVINO, 8 bits': request('model.int8.onnx')}
    answers, work = {name: call() for name, call in calls.items()}, {name: [] for name in calls}
    for _ in range(3 if quick else 9):
        for name, call in calls.items():
            start = time.process_time()
            for _ in range(20): call()
            work[name].append((time.process_time() - start)/20*1000)
    return dict(rows=[dict(name=name, core_ms=spread(w), apart=float(np.abs(answers[name] - answers['ONNX Runtime']).max())) for name,
                      w in work.items()])


def one_stream(place, bundle, folder, int8):
    "Run in a process of its own: seconds and peak memory."
    start = time.perf_counter()
    out = ours(place, bundle, int8)(folder, place/f'{folder.name}.csv')
    took = dict(seconds=time.perf_counter() - start, core_seconds=core_seconds())
    with open(out) as f: rows = sum(1 for _ in f) - 1
    print(json.dumps(dict(files=rows, **took, mb=peak_mb())))


def measured(*args): return json.loads(subprocess.run([sys.executable, __file__, *map(str, args)], capture_output=True, text=True,
                                                      check=True).stdout.splitlines()[-1])


def scale(place, drawn, quick, counts):
    "Memory and time by number of files."
    rows = []
    for n in counts:
        folder = make_links(place/f'scale{n}', drawn, n)
        rows.append(measured('--stream', folder, '--place', place) | dict(names=n))
        shutil.rmtree(folder)
        assert rows[-1]['files'] == n
        print(rows[-1], flush=True)
    f = floors(drawn)
    return dict(floors=f, rows=[r | dict(rate=r['files']/r['seconds'], core_ms=1000*r['core_seconds']/r['files'],
                                         of_floor=r['files']*floor_seconds(f)/r['core_seconds']) for r in rows])


BARE = '''import sys, numpy as np, onnxruntime as ort
from PIL import Image
s = ort.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
s.run(None, {'pixels': np.asarray(Image.open(sys.argv[2]).convert('RGB').resize((224, 224)))[None]})'''
TORCH = '''import sys
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.use.predict import predict
predict(load_model(sys.argv[1]), sys.argv[2], progress=False)'''
KERAS = '''import sys, keras, numpy as np
net = keras.saving.load_model(sys.argv[1])
x = np.expand_dims(keras.utils.img_to_array(keras.utils.load_img(sys.argv[2], target_size=(224, 224))), 0)/255.
net.predict(x, verbose=0)'''


def save_keras(path):
    from blood_cell_cancer.models.keras.nets import keras_net
    from blood_cell_cancer.models.keras.setup import import_keras
    import_keras()
    keras_net('mobilenetv2', 5).save(path)


def timed(call):
    "Seconds on the clock, and of all cores, of a command."
    start = time.perf_counter()
    child = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status: raise RuntimeError(f'{call} failed, see above')
    return time.perf_counter() - start, used.ru_utime + used.ru_stime


def cold(place, drawn, quick, rounds):
    "Seconds from a standing start, a process each, in turn."
    python, command, image = sys.executable, str(Path(sys.executable).with_name('blood-cells')), drawn[0]
    subprocess.run([python, __file__, '--save-keras', place/'whole.keras'], check=True, capture_output=True)
    calls = {'Python alone': [python, '-c', 'pass'], 'import blood_cell_cancer': [python, '-c', 'import blood_cell_cancer'],
             'blood-cells --help': [command, '--help'],
             'bare script: numpy, Pillow, ONNX Runtime, one image (the floor)': [python, '-c', BARE, place/'plain.bundle'/'model.onnx',
                                                                                 image],
             'blood-cells predict, one image': [command, 'predict', place/'plain.bundle', image, '--out', place/'cold.csv', '--overwrite', '--quiet'],
             'blood-cells predict, one image, with uncertainty': [command, 'predict', place/'uncertain.bundle', image, '--out', place/'cold.csv', '--overwrite',
                                                            '--quiet'],
             'the same in torch, one image': [python, '-c', TORCH, place/'plain.bundle', image],
             'Keras: load a .keras file, one image': [python, '-c', KERAS, place/'whole.keras', image]}
    times = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items(): times[name].append(timed(call))
    # The first round brings the libraries into the system's memory.
    times = {name: t[1:] for name, t in times.items()}
    mine = times['blood-cells predict, one image']
    rows = [dict(name=name, seconds=spread([t for t, _ in ts]), core_seconds=spread([c for _, c in ts]),
                 ours_works=spread([c/m for (_, c), (_, m) in zip(ts, mine)]))
            for name, ts in times.items()]
    return dict(rounds=len(mine), rows=rows)


# ---- tables

def machine():
    return dict(cpu=cpu_name(), instructions=vector_instructions(), cores=os.cpu_count(), python=platform.python_version(),
                **versions('onnxruntime', 'torch', 'torchvision', 'timm', 'fastai', 'tensorflow', 'tensorflow-cpu', 'keras', 'numpy', 'pandas',
                           *(['openvino'] if find_spec('openvino') else [])))


def between(s, form): return f'{s["median"]:{form}} ({s["low"]:{form}} to {s["high"]:{form}})'


def of(share): return f'{share:.0%}' if share else ''


def table(head, rows): return '\n'.join('| ' + ' | '.join(map(str, r)) + ' |' for r in (head, ['---']*len(head), *rows)) + '\n'


def say_floors(f):
    return (f'Floor of one image, in work of a core: {f["operations"]/1e6:.0f} million operations at {f["matrix"]/1e9:.0f} '
            f'thousand million a second (8 bits: {f["matrix_int8"]/1e9:.0f}), '
            "which is ONNX Runtime's own matrix product of 1,024 x 1,024; "
            f'decoding at {f["decode"]:,.0f} images a second; {f["bytes"]/1e3:.0f} kB read at {f["read"]/1e9:.1f} GB a second.\n')


def speed_part(s):
    head = ['', 'images a second', 'ours is so many times as fast', 'ours in 8 bits is', 'work of the cores for one image, ms',
            'so many times ours', 'of the floor']
    rows = [[r['name'], between(r['rate'], '.0f'), between(r['ours_is'], '.1f'), between(r['int8_is'], '.1f'),
             between(r['core_ms'], '.1f'), between(r['ours_works'], '.1f'), of(r['of_floor'])] for r in s['rows']]
    failed = f'Failed here: {", ".join(s["missing"])}. ' if s.get('missing') else ''
    return [table(head, rows), f'{s["rounds"]} rounds, in turn. {failed}' + say_floors(s['floors']),
            f'That allows {s["floor_rate"]:.0f} images a second on {s["floors"]["cores"]} cores ({s["floor_rate_int8"]:.0f} in 8 bits). '
            "What limits us is the arithmetic: MobileNetV2's depthwise convolutions do 9 multiplications for each number that they read, "
            'and cannot reach the rate of a large matrix product.\n']


def large_part(s):
    head = ['pixels', '', 'images a second', 'work of the cores for one image, ms', 'time, against ours (the same network)']
    rows = [[f'{r["side"]:,}', r['name'], between(r['rate'], '.1f'), between(r['core_ms'], '.0f'), between(r['ours_is'], '.1f')] for r in s['rows']]
    return [table(head, rows), f'{s["files"]} JPEG files, {s["rounds"]} rounds, in turn. An image of eight times the network\'s side or more is '
            'reduced before anything else; a JPEG is then decoded at a half, a quarter or an eighth of its size. Keras and timm decode it whole.\n']


def engines_part(s):
    return [table(['', 'ms', 'logits differ by'], [[r['name'], between(r['core_ms'], '.2f'), f'{r["apart"]:.1g}'] for r in s['rows']])]


def scale_part(s):
    head = ['files', 'seconds', 'images a second', 'work of the cores for one image, ms', 'peak memory, MB', 'of the floor']
    rows = [[f'{r["files"]:,}', f'{r["seconds"]:.0f}', f'{r["rate"]:.0f}', f'{r["core_ms"]:.2f}', f'{r["mb"]:.0f}', of(r['of_floor'])]
            for r in s['rows']]
    return [table(head, rows), say_floors(s['floors']),
            'The names of the files are all that memory holds of them; the limit is the arithmetic, as above.\n']


def cold_part(s):
    rows = [[r['name'], between(r['seconds'], '.2f'), between(r['core_seconds'], '.2f'), between(r['ours_works'], '.1f')] for r in s['rows']]
    return [table(['', 'seconds', 'work of the cores, seconds', 'so many times our first prediction'], rows),
            'The floor is a bare script that loads the same libraries; what is beyond it is our imports.\n']


PARTS = dict(speed=('Images a second, folder to table', speed_part), large=('Large originals', large_part),
             engines=('Engines: work of one core for one image, network alone', engines_part),
             scale=('Memory and time by number of files', scale_part), cold=('From a standing start', cold_part))


def page(got):
    "The figures in Markdown."
    out = ['# Prediction: speed, memory, cold start\n', '<!-- written by benchmarks/prediction.py -->\n']
    for key, (title, part) in PARTS.items():
        if key in got: out += [f'## {title}\n', *part(got[key]), load(got[key])]
    return '\n'.join([*out, '## Machine\n', ', '.join(f'{k} {v}' for k, v in got['machine'].items()) + '\n'])


def load(s): return f'Run on {s["date"]}; processes waiting for a core, beginning and end: {s["load"][0]:.1f} and {s["load"][1]:.1f}.\n'


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--quick', action='store_true', help='small, to see that it runs')
    a.add_argument('--only', nargs='*', choices=PIECES, default=PIECES)
    a.add_argument('--files', nargs='*', type=int, help='numbers of files for the row of memory and time')
    a.add_argument('--rounds', type=int, help='repeats of speed and cold start (5)')
    a.add_argument('--out', type=Path, default=RESULTS)
    for name in ('--serve', '--place', '--stream', '--save-keras'): a.add_argument(name,
            type=str if name == '--serve' else Path, help=argparse.SUPPRESS)
    return a.parse_args()


def main():
    args = arguments()
    if args.serve: return serve(args.serve, args.place)
    if args.stream: return one_stream(args.place, 'plain.bundle', args.stream, False)
    if args.save_keras: return save_keras(args.save_keras)
    os.environ |= dict(OMP_WAIT_POLICY='passive', TF_CPP_MIN_LOG_LEVEL='2', PYTHONWARNINGS='ignore')
    place = Path(mkdtemp(prefix='prediction-'))
    try: measure(args, place)
    finally: shutil.rmtree(place)


def measure(args, place):
    args.out.mkdir(parents=True, exist_ok=True)
    kept = args.out/'prediction.json'
    got, drawn = json.loads(kept.read_text()) if kept.exists() else {}, prepare(place, args.quick)
    files = args.files or ([200, 400] if args.quick else [1_000, 10_000, 100_000])
    rounds = args.rounds or (1 if args.quick else 5)
    pieces = dict(speed=lambda *a: speed(*a, rounds), large=lambda *a: large(*a, rounds), engines=engines, scale=lambda *a: scale(*a, files), cold=lambda *a: cold(*a, rounds))
    for name in args.only:
        before = os.getloadavg()[0]
        got[name] = pieces[name](place, drawn, args.quick) | dict(date=time.strftime('%Y-%m-%d'), quick=args.quick,
                                                                  load=[before, os.getloadavg()[0]])
        got['machine'] = machine()
        kept.write_text(json.dumps(got, indent=1))
        (args.out/'prediction.md').write_text(page(got))
    print(page(got))


if __name__ == '__main__': main()
