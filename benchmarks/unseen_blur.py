"""What blurred and coarse pictures cost networks of `unseen_full.py`: cells of the laboratories of the training images that did not train.

    BLOOD_CELLS_DATA=folder python benchmarks/unseen_blur.py runs/seeds/styled-masked-224 runs/seeds/blur-224

Accuracy in full precision, mean of the severities 1, 3 and 5 of the package's corruptions (of the whole picture, before the cell is cut
out). Writes nbs/studies/results/blur.csv.
"""
import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import unseen_full as full
import unseen_views as d
from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.evaluate.robustness import CORRUPTIONS
from shipped_outputs import EACH, SCALE
from ship_differential import network

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'blur.csv'
ASKED, SEVERITIES = ('defocus', 'motion_blur', 'pixelate'), (1, 3, 5)


def pictures(paths, corruption, severity, size):
    "The cells of corrupted pictures, as the network sees them."
    out, rng = [], np.random.default_rng(12)
    for p in paths:
        a = d.pixels(p)
        if severity: a = CORRUPTIONS[corruption](a, severity/5, rng)
        out.append(torch.from_numpy(d.clean(a, d.place(a), size, SCALE)).permute(2, 0, 1))
    return torch.stack(out)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('nets', nargs='+', type=Path, help='folders of unseen_full.py')
    a = a.parse_args()
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    t = t.loc[d.parts(t, EACH)[1]].query("set in ['wbc5', 'barcelona']").groupby('label').head(40)
    y, rows = np.array([d.CLASSES.index(c) for c in t['label']]), []
    for f in a.nets:
        net, size = network([f]), json.loads((f/'settings.json').read_text())['size']
        for c in ('none', *ASKED):
            right = np.mean([net(full.scaled(pictures(t['path'], c, s, size))).argmax(1).numpy() == y
                             for s in (SEVERITIES if c != 'none' else (0,))], axis=0)
            low, high = wilson(right.sum(), len(y))
            rows.append(dict(model=f.name, corruption=c, cells=len(y), accuracy=right.mean(), low=low, high=high))
            print(rows[-1], flush=True)
    pd.DataFrame(rows).assign(command='python benchmarks/unseen_blur.py').to_csv(OUT, index=False, float_format='%.4f')


if __name__ == '__main__':
    with torch.inference_mode(): main()
