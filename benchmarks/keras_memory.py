"""What an epoch with Keras costs where freed memory is used again (`core.machine.reuse_memory`), and as TensorFlow leaves it.

    python benchmarks/keras_memory.py # five pairs of runs of six epochs: six minutes on two calm cores

Writes benchmarks/results/keras_memory.json. MobileNetV2 with system 1's cut and head on 60 drawn images of 224 pixels, batches of 16; the first
epoch, which includes TensorFlow's tracing, is left out of the medians. Every run is a process of its own, the two kinds in turn.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from machine import cpu_name, versions

RESULTS = Path(__file__).parent/'results'


def one(folder, reuse, epochs):
    "Train, and print seconds and memory of each epoch."
    from blood_cell_cancer.models.keras.setup import import_keras
    import_keras()
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.splits import split_images
    from blood_cell_cancer.models.backbones import recipe
    from blood_cell_cancer.models.keras import data, training
    from blood_cell_cancer.models.weights import find_weights
    if not reuse: data.reuse_memory = lambda: None
    mb, noted = [], training.EpochKeeper.note_epoch

    def note(self, *figures):
        mb.append(round(int(Path('/proc/self/statm').read_text().split()[1])*4096/2**20))
        return noted(self, *figures)
    training.EpochKeeper.note_epoch = note
    images = split_images(folder_images(folder, progress=False), 'image', sizes=(.6, .2, .2))
    r = recipe('demo', weights='random', epochs=epochs, batch=16, views=0, patience=0)
    history = training.train_net(images, r, find_weights(r.backbone, r.weights), Path(mkdtemp()), progress=False)[1]
    print(json.dumps(dict(seconds=history['seconds'].tolist(), mb=mb)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--pairs', type=int, default=5)
    p.add_argument('--epochs', type=int, default=6)
    p.add_argument('--one', nargs=2, metavar=('FOLDER', 'REUSE'))
    args = p.parse_args()
    if args.one: return one(Path(args.one[0]), args.one[1] == 'True', args.epochs)
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    folder = Path(mkdtemp())/'cells'
    make_phantoms(folder, n=20)
    runs = {True: [], False: []}
    for _ in range(args.pairs):
        for reuse in runs:
            done = subprocess.run([sys.executable, __file__, '--epochs', str(args.epochs), '--one', str(folder), str(reuse)],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
            runs[reuse].append(json.loads(done.stdout.splitlines()[-1]))
            print('used again' if reuse else 'as TensorFlow leaves it', np.round(runs[reuse][-1]['seconds'], 1).tolist(), 's;', runs[reuse][-1]['mb'], 'MB', flush=True)
    median = {k: [float(np.median(r['seconds'][1:])) for r in rs] for k, rs in runs.items()}
    ratios = np.divide(median[False], median[True])
    out = dict(date=time.strftime('%Y-%m-%d'), machine=cpu_name(), versions=versions('tensorflow', 'keras', 'numpy'), epochs=args.epochs,
               times_as_long=dict(median=float(np.median(ratios)), low=float(ratios.min()), high=float(ratios.max())),
               seconds_per_epoch={('reused' if k else 'as_left'): v for k, v in median.items()},
               mb_at_the_end={('reused' if k else 'as_left'): [r['mb'][-1] for r in rs] for k, rs in runs.items()},
               mb_by_epoch={('reused' if k else 'as_left'): rs[0]['mb'] for k, rs in runs.items()})
    (RESULTS/'keras_memory.json').write_text(json.dumps(out, indent=1) + '\n')
    print(f"an epoch takes {out['times_as_long']['median']:.2f} ({ratios.min():.2f} to {ratios.max():.2f}) times as long as TensorFlow leaves it")


if __name__ == '__main__': main()
