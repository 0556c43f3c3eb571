"""Seconds an epoch, and seconds to a validation accuracy of 98 %: system 1's recipe as it is written, plain fastai, and this package.

    BLOOD_CELLS_DATA=folder python benchmarks/training.py wbc5 --by wbc5_published --weights mobilenetv2_100_same.tfhub_ptq_in1k.fp16.safetensors --views 2 --epochs 6 --fastai-epochs 1
    BLOOD_CELLS_DATA=folder python benchmarks/training.py wbc5 --by wbc5_published --a-class 150 --epochs 3     # a smaller run

All train MobileNetV2 on the same rows from the same weights, one after the other in one process, each with all cores. Libraries are loaded
before a clock starts. Of ours everything counts, also what fills the feature cache; of the others the epochs alone. Only ratios between rows
of one run mean anything. Writes benchmarks/results/training.json and training.md.

    BLOOD_CELLS_DATA=folder python benchmarks/training.py ... --avx2     # every library held to AVX2: training_avx2.json and training_avx2.md

That stands for a laptop without AVX-512: the libraries compute as they would there, on a processor that may be faster. ONNX Runtime cannot be
held, so our feature cache is filled by torch there, which is slower: our own figures are what one gets at least.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import numpy as np
import pandas as pd

# torch's own kernels; oneDNN's in torch and TensorFlow; matrix products; what Keras compiles. They are read when the libraries are loaded.
AVX2 = dict(ATEN_CPU_CAPABILITY='avx2', ONEDNN_MAX_CPU_ISA='AVX2', MKL_ENABLE_INSTRUCTIONS='AVX2', XLA_FLAGS='--xla_cpu_max_isa=AVX2',
            NPY_DISABLE_CPU_FEATURES='AVX512F AVX512CD AVX512_SKX')
if '--avx2' in sys.argv: os.environ |= AVX2

import torch # before TensorFlow

from blood_cell_cancer.core import machine
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.core.tables import classes_of
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models import features
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.checkpoints import Checkpoints
from blood_cell_cancer.models.engines import engine_module
from blood_cell_cancer.models.training import train
from blood_cell_cancer.models.weights import find_weights
from machine import cpu_name

RESULTS = Path(__file__).parent/'results'
GOAL = .98


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('data')
    a.add_argument('--by', default='group')
    a.add_argument('--weights', default='random')
    a.add_argument('--a-class', type=int, help='only so many training images a class, and a third as many for validation')
    a.add_argument('--epochs', type=int, default=12, help='at most')
    a.add_argument('--fastai-epochs', type=int, help="at most, of fastai's whole network: one is enough for its seconds an epoch")
    a.add_argument('--views', type=int, default=4)
    a.add_argument('--only', nargs='*', help='these rows alone')
    a.add_argument('--avx2', action='store_true', help='hold every library to AVX2')
    a.add_argument('--out', type=Path, default=RESULTS)
    return a.parse_args()


def some(images, n):
    "A few training and validation images of each class."
    if not n: return images[images['split'].isin(['train', 'validation'])]
    parts = [images[images['split'] == s].groupby('label', observed=True).sample(k, random_state=12) for s,
             k in (('train', n), ('validation', n//3))]
    return pd.concat(parts).sort_index().reset_index(drop=True)


def system1(images, a):
    "Keras as the published notebook has it: a generator that decodes and augments one image after the other, the whole network in every step."
    from blood_cell_cancer.models.keras.weights import build_keras_net
    from blood_cell_cancer.models.keras.data import keras, pixel_line
    from keras.src.legacy.preprocessing.image import ImageDataGenerator
    w = find_weights('mobilenetv2', a.weights)
    net = build_keras_net(recipe('wbc5_mobilenetv2', weights=a.weights), 5, w)
    black, white = pixel_line(net, w.mean, w.std)
    net.compile(keras.optimizers.Adam(1e-4), keras.losses.CategoricalCrossentropy(from_logits=True), metrics=['accuracy'])
    to_range = lambda x: black + (white - black)*x/255
    ranges = dict(rotation_range=20, width_shift_range=.1, height_shift_range=.1, zoom_range=.1, horizontal_flip=True,
                  brightness_range=(.8, 1.2))
    flow = lambda split, **kw: ImageDataGenerator(preprocessing_function=to_range, **kw).flow_from_dataframe(
        images[images['split'] == split].assign(label=images['label'].astype(str)), x_col='path', y_col='label', target_size=(224, 224),
                batch_size=32,
        classes=list(classes_of(images)), shuffle=split == 'train', seed=12, verbose=0)
    epochs = []
    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None): self.start = time.time()
        def on_epoch_end(self, epoch, logs):
            epochs.append((time.time() - self.start, logs['val_accuracy']))
            self.model.stop_training = logs['val_accuracy'] >= GOAL
    net.fit(flow('train', **ranges), validation_data=flow('validation'), epochs=a.epochs, callbacks=[Watch()], verbose=2)
    return 0., epochs


def fastai_plain(images, a):
    "fastai's own way: vision_learner, aug_transforms, every layer trained."
    from fastai.callback.core import Callback, CancelFitException
    from fastai.vision.all import DataBlock, CategoryBlock, ImageBlock, ColReader, ColSplitter, Normalize, Resize, accuracy, aug_transforms, vision_learner
    w = find_weights('mobilenetv2', a.weights)
    block = DataBlock((ImageBlock, CategoryBlock), get_x=ColReader('path'), get_y=ColReader('label'), splitter=ColSplitter('valid'),
                      item_tfms=Resize(224, method='squish'),
                      batch_tfms=[*aug_transforms(), Normalize.from_stats(w.mean, w.std)])
    table = images.assign(valid=images['split'] == 'validation', label=images['label'].astype(str))
    learn = vision_learner(block.dataloaders(table, bs=32, num_workers=2), 'mobilenetv2_100', metrics=accuracy, pretrained=False,
                           normalize=False)
    if w.state: learn.model[0].model.load_state_dict(w.state, strict=False)
    learn.unfreeze()
    epochs = []
    class Watch(Callback):
        order = 60
        def before_epoch(self): self.start = time.time()
        def after_epoch(self):
            epochs.append((time.time() - self.start, float(self.recorder.values[-1][-1])))
            if epochs[-1][1] >= GOAL: raise CancelFitException()
    with learn.no_logging(): learn.fit_one_cycle(a.fastai_epochs or a.epochs, 1e-3, cbs=Watch())
    return 0., epochs


def ours(images, a, **changes):
    "This package's feature cache; the time in which it is filled counts."
    r = recipe('wbc5_mobilenetv2', **(dict(weights=a.weights, views=a.views, epochs=a.epochs) | changes))
    start, ends, note = time.time(), [], Checkpoints.note_epoch
    def timed(self, *figures):
        ends.append(time.time() - start)
        return note(self, *figures)
    with patch.object(Checkpoints, 'note_epoch', timed): h = train(images, r, folder=mkdtemp(), progress=True, allow_leakage=True).history
    reached = np.flatnonzero(h['valid_accuracy'] >= GOAL)
    n = reached[0] + 1 if len(reached) else len(h)
    # The cache is filled before the first epoch and between epochs.
    return ends[n - 1] - float(h['seconds'][:n].sum()), list(zip(h['seconds'][:n], h['valid_accuracy'][:n]))


# TensorFlow comes last: loader processes that are forked after it has started hang.
ROWS = {'ours, feature cache': ours, 'ours, head alone, one view': lambda images, a: ours(images, a, cut='head', lr=1e-3, views=1),
        'fastai vision_learner, whole network': fastai_plain, 'system 1 as written (Keras)': system1}


def floor_row(images, a):
    "What the machine could do at best: operations of the suffix over the measured matrix rate."
    from torch.utils.flop_counter import FlopCounterMode
    from blood_cell_cancer.core.machine import pick_precision
    from blood_cell_cancer.models.nets import build_net
    r = recipe('wbc5_mobilenetv2', weights='random')
    net = build_net(r, 5, find_weights('mobilenetv2', 'random')).eval()
    x = torch.randn(1, 3, 224, 224)
    with FlopCounterMode(display=False) as whole: net(x)
    with FlopCounterMode(display=False) as front: net.prefix(x)
    kind = torch.bfloat16 if pick_precision() == 'bf16' else torch.float32
    m, best = torch.randn(1024, 1024, dtype=kind), np.inf
    for _ in range(20):
        t = time.time()
        m @ m
        best = min(best, time.time() - t)
    rate, n = 2*1024**3/best, int((images['split'] == 'train').sum())
    suffix = whole.get_total_flops() - front.get_total_flops()
    return dict(matrix_gflops_a_second=rate/1e9, precision=str(kind), suffix_gflops_an_image=suffix/1e9,
                whole_gflops_an_image=whole.get_total_flops()/1e9,
                floor_seconds_an_epoch=3*suffix*n/rate)


def write(facts, out, name):
    "The figures as JSON and as a table."
    rows = facts['rows']
    out.mkdir(parents=True, exist_ok=True)
    (out/f'{name}.json').write_text(json.dumps(facts, indent=1))
    best = next((r for r in rows if r['row'] == 'ours, feature cache'), rows[-1])
    lines = [f"{facts['train']} training and {facts['validation']} validation images of {facts['data']}, {facts['machine']}; one run, ratios only.", '',
             '| | seconds an epoch | beside the epochs | epochs | best validation accuracy | seconds to 98 % | epoch, against ours | to 98 %, against ours |', '|---|---|---|---|---|---|---|---|']
    for r in rows:
        to = r['seconds_to_goal']
        ratio = f"{to/best['seconds_to_goal']:.1f} x" if to and best['seconds_to_goal'] else ''
        reached = f'{to:.0f}' if to else f"not in {r['epochs']}"
        lines.append(f"| {r['row']} | {r['epoch_seconds']:.1f} | {r['before_seconds']:.1f} | {r['epochs']} | {r['best_accuracy']:.1%} | {reached} | {r['epoch_seconds']/best['epoch_seconds']:.1f} x | {ratio} |")
    f = facts['floor']
    lines += ['', f"Floor of our epoch: 3 passes of {f['suffix_gflops_an_image']:.3f} of {f['whole_gflops_an_image']:.3f} GFLOP an image at {f['matrix_gflops_a_second']:.0f} GFLOP/s ({f['precision']}, measured) are "
              f"{f['floor_seconds_an_epoch']:.2f} s; the epoch above is {best['epoch_seconds']/f['floor_seconds_an_epoch']:.0f} times that."]
    (out/f'{name}.md').write_text('\n'.join(lines) + '\n')
    print('\n'.join(lines))


def main():
    a = arguments()
    images = some(split_images(load_images(a.data), a.by), a.a_class)
    engine_module('fastai')
    if a.avx2:
        machine.FAST_BF16.clear() # "auto" is float32 there
        features._filled_by = lambda *_: 'torch'
    rows = []
    for name, f in ROWS.items():
        if a.only and name not in a.only: continue
        before, epochs = f(images, a)
        seconds, reached = [s for s, _ in epochs], epochs[-1][1] >= GOAL
        rows.append(dict(row=name, epoch_seconds=float(np.median(seconds[1:] or seconds)), before_seconds=before, epochs=len(epochs),
                         best_accuracy=max(v for _, v in epochs),
                         seconds_to_goal=before + sum(seconds) if reached else None))
        print(rows[-1], flush=True)
    where = f'{os.cpu_count()} cores, {cpu_name()}' + ', every library held to AVX2'*a.avx2
    facts = dict(data=a.data, split=a.by, train=int((images['split'] == 'train').sum()),
                 validation=int((images['split'] == 'validation').sum()), goal=GOAL, views=a.views,
                 machine=where, date=time.strftime('%Y-%m-%d'), floor=floor_row(images, a), rows=rows)
    write(facts, a.out, 'training_avx2' if a.avx2 else 'training')


if __name__ == '__main__': main()
