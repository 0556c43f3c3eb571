"""What exact 8-bit arithmetic is worth, and what it costs, on this processor: the shipped models with and without it.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/eight_bits.py

Of 8-bit products, processors without VNNI add up pairs in 16 bits unless ONNX Runtime is asked for more (`use.export.onnx_session`).
Images of wbc5 and ball4, most of which trained the models: the figures compare two kinds of arithmetic and are no test of a model.
Writes benchmarks/results/eight_bits.csv.
"""
import argparse
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime
import pandas as pd

from blood_cell_cancer.core.machine import processor_flags
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.use.predict import predict

OUT = Path(__file__).parent/'results'/'eight_bits.csv'
SETS = {'differential': 'wbc5', 'wbc5': 'wbc5', 'ball4': 'ball4'}


class Plain(onnxruntime.SessionOptions):
    "Without exact arithmetic."
    def add_session_config_entry(self, key, value):
        if key != 'session.x64quantprecision': super().add_session_config_entry(key, value)


def run(bundle, images):
    "Table of predictions, and seconds of processor time."
    start = time.process_time()
    return predict(bundle, images['path'].tolist(), progress=False), time.process_time() - start


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--n', type=int, default=600, help='images of each set, drawn by lot')
    a.add_argument('--pairs', type=int, default=5, help='pairs of runs')
    a = a.parse_args()
    rows = []
    for bundle, name in SETS.items():
        images = load_images(name, progress=False).sample(a.n, random_state=0)
        truth, times, kept = images['label'].astype(str).to_numpy(), [], {}
        for _ in range(a.pairs):
            with patch('onnxruntime.SessionOptions', Plain): kept['16 bits'], plain = run(bundle, images)
            kept['exact'], exact = run(bundle, images)
            times.append(exact/plain)
        for how, p in kept.items():
            right, answered = p['predicted'].astype(str).to_numpy() == truth, ~p['abstained'].to_numpy(bool)
            rows.append(dict(bundle=bundle, images=len(images), sums=how, right=right.sum(), answered=answered.sum(), right_of_answered=(right & answered).sum(),
                             time=np.median(times) if how == 'exact' else 1., least=min(times) if how == 'exact' else 1., most=max(times) if how == 'exact' else 1.,
                             vnni=any('vnni' in f for f in processor_flags())))
    table = pd.DataFrame(rows).round(3)
    table.to_csv(OUT, index=False)
    print(table.to_string(index=False))


if __name__ == '__main__': main()
