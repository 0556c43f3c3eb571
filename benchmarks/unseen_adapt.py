"""What some labelled cells per class of a new laboratory are worth: half of Johns Hopkins' patients is labelled, the other half judges.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen.py --work runs/unseen
    python benchmarks/unseen_adapt.py --work runs/unseen

Writes nbs/studies/results/adapt.csv.
"""
import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import unseen_views as d

from blood_cell_cancer.core.intervals import mean_share
from blood_cell_cancer.models.adapt import choose_penalty, fit_last_layer

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'adapt.csv'


def balanced(logits, y):
    "Balanced recall with its interval."
    right, n = (np.bincount(v, minlength=len(d.CLASSES)) for v in (y[logits.argmax(1) == y], y))
    return mean_share(right[n > 0], n[n > 0])


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', default='runs/unseen')
    a.add_argument('--each', type=int, default=500)
    a.add_argument('--draws', type=int, default=5)
    a = a.parse_args()
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    t = t.loc[d.parts(t, a.each)[1]].reset_index(drop=True)
    x, state = np.load(Path(a.work)/'features_all.npy'), torch.load(Path(a.work)/'net_all.pt', weights_only=True)
    layer, rows = tuple(state[f'head.0.{k}'].numpy() for k in ('weight', 'bias')), []
    y = t['label'].map({c: i for i, c in enumerate(d.CLASSES)}).to_numpy()
    for own, other in ('AB', 'BA'):
        pool, test = (np.nonzero((t['lab'].eq('jhu') & t['half'].eq(h)).to_numpy())[0] for h in (own, other))
        for n in (0, 5, 10, 20, 40):
            for draw in range(a.draws if n else 1):
                r = np.random.default_rng(draw)
                k = np.concatenate([r.permutation(pool[y[pool] == c])[:n] for c in range(len(d.CLASSES))])
                groups = t['patient'].iloc[k].astype(str).to_numpy()
                w, b = fit_last_layer(x[k], y[k], *layer, choose_penalty(x[k], y[k], groups, layer)) if n else layer
                value, low, high = balanced(x[test] @ w.T + b, y[test])
                rows.append(dict(labelled_half=own, judged_half=other, cells_per_class=n, draw=draw, balanced_recall=value, low=low,
                                 high=high))
    table = pd.DataFrame(rows).round(4)
    table.to_csv(OUT, index=False)
    print(table.groupby(['labelled_half', 'cells_per_class'])['balanced_recall'].agg(['mean', 'min', 'max']).to_string())


if __name__ == '__main__': main()
