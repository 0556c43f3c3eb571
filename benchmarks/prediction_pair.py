"""How much faster one shipped model predicts than another: paired runs on the same files, medians and spread of the ratio.

    python benchmarks/prediction_pair.py wbc5 differential folder

Of these two nbs/studies/01_unseen_laboratories says "about as fast": 0.91 times (0.79 to 1.10) on fields of ball4, on 30 November 2026.
"""
import argparse
import time

import numpy as np

from blood_cell_cancer.core.tables import list_images
from blood_cell_cancer.use.stream import open_onnx


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('first', help='a shipped model')
    a.add_argument('second', help='another, which is timed against it')
    a.add_argument('folder', help='folder of images; the first 300 are predicted')
    a = a.parse_args()
    files, models = list_images(a.folder)[0][:300], [open_onnx(b) for b in (a.first, a.second)]
    def seconds(m):
        start = time.perf_counter()
        assert not any(error for _, _, error, _ in m.all_outputs(files))
        return time.perf_counter() - start
    for m in models: seconds(m) # caches warm
    ratios = [seconds(models[0])/seconds(models[1]) for _ in range(9)]
    low, mid, high = np.quantile(ratios, [.1, .5, .9])
    print(f'{a.second} is {mid:.2f} times as fast as {a.first} ({low:.2f} to {high:.2f}), {len(files)} images, {len(ratios)} paired runs')


if __name__ == '__main__': main()
