"""What training the last block adds to fitting the last layer, for some labelled cells per class of a new laboratory.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_deep.py B zheng   # half B of Johns Hopkins' patients labelled, half A judged; some of Zheng's cells labelled, the others judged
    python benchmarks/unseen_deep.py A         # half A labelled, half B judged

Writes nbs/studies/results/adapt_deep.csv, and the gains with intervals to adapt_deep_gain.csv.
"""
import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import unseen_views as d
from unseen_adapt import BLAST, LYMPHOCYTE, OUT

from blood_cell_cancer.data.datasets import folder_images, load_images
from blood_cell_cancer.models.adapt import choose_penalty, fit_block, fit_last_layer
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.fastai.block import block_features, block_views
from blood_cell_cancer.models.fastai.training import last_layer

K = len(d.CLASSES)


def cells(labelled, n, draw, y, half):
    "Rows that are labelled, and rows that judge. Zheng's few basophils do neither."
    r = np.random.default_rng(draw)
    if labelled != 'zheng':
        pool = np.flatnonzero(half == labelled)
        return np.concatenate([r.permutation(pool[y[pool] == c])[:n] for c in range(K)]), np.flatnonzero(half == dict(A='B', B='A')[labelled])
    rows = np.flatnonzero(y != d.CLASSES.index('basophil'))
    own = [r.permutation(rows[y[rows] == c]) for c in range(K)]
    k = np.concatenate([g[:min(n, len(g)//2)] for g in own])
    return k, np.setdiff1d(rows, k)


def recall(right, y, weights):
    "Balanced recall (draws, resamplings) of right answers (draws, cells), NaN where a cell does not judge."
    judged, parts = np.isfinite(right), []
    for c in np.unique(y[judged.any(0)]):
        of = weights*(y == c)[:, None]
        parts.append(np.nan_to_num(right) @ of/np.maximum(judged @ of, 1e-9))
    return np.mean(parts, axis=0)


def gain(before, after, y, units, times=2000):
    "Mean over the draws of the balanced recall before and after, and of the gain, with an interval from resampled units (patients)."
    r, (_, at) = np.random.default_rng(0), np.unique(units, return_inverse=True)
    judging = np.unique(at[np.isfinite(before).any(0)])
    counts = np.zeros((at.max() + 1, times))
    for b in range(times): np.add.at(counts[:, b], r.choice(judging, len(judging)), 1)
    one, many = np.ones((len(y), 1)), counts[at]
    moved = (recall(after, y, many) - recall(before, y, many)).mean(0)
    return dict(last_layer=recall(before, y, one).mean(), last_block=recall(after, y, one).mean(), gain=(recall(after, y, one) - recall(before, y, one)).mean(),
                low=np.quantile(moved, .025), high=np.quantile(moved, .975))


def laboratory(name):
    "Image table of Johns Hopkins or of Zheng."
    if name != 'zheng': return load_images('johns_hopkins', progress=False)
    t = folder_images(Path(os.environ['BLOOD_CELLS_DATA'])/'other_labs'/'wbc_zheng2018', progress=False)
    return t.assign(label=pd.Categorical(t['label'].astype(str).replace({'neutrophil': 'seg_neutrophil'}), categories=list(d.CLASSES)))


def judge(labelled, model, t, views, draws):
    "Rows of the table, and of the gains."
    y, net, rows, gains = t['label'].cat.codes.to_numpy().astype(int), model.net, [], []
    half = t['group'].map(d.half_of).to_numpy() if labelled != 'zheng' else None
    units = t['group'].to_numpy() if labelled != 'zheng' else t['name'].to_numpy()
    x, layer, other = block_features(net, views[0]), last_layer(net), dict(A='B', B='A', zheng='zheng')[labelled]
    for n in (5, 10, 20, 40):
        right = np.full((2, draws, len(y)), np.nan)
        for draw in range(draws):
            k, test = cells(labelled, n, draw, y, half)
            w, b = fit_last_layer(x[k], y[k], *layer, choose_penalty(x[k], y[k], units[k], layer))
            tuned = fit_block(net, views[:, k], y[k], units[k])
            v, c = last_layer(tuned)
            for i, (how, z) in enumerate((('last layer', x[test] @ w.T + b), ('last block', block_features(tuned, views[0][test]) @ v.T + c))):
                said = z.argmax(1)
                right[i, draw, test] = said == y[test]
                rows.append(dict(labelled=labelled, judged=other, cells_per_class=n, draw=draw, trained=how,
                                 balanced_recall=recall(right[i, [draw]], y, np.ones((len(y), 1)))[0, 0],
                                 lymphocytes_called_myeloblast=int((said == BLAST)[y[test] == LYMPHOCYTE].sum())))
        gains.append(dict(labelled=labelled, judged=other, cells_per_class=n, draws=draws, **gain(*right, y, units)))
        print(gains[-1], flush=True)
    return rows, gains


def written(rows, name):
    "Add rows to a table of results, in the place of those of the same laboratories."
    new, file = pd.DataFrame(rows).round(4), OUT/f'{name}.csv'
    old = pd.read_csv(file) if file.exists() else new[:0]
    pd.concat([old[~old['labelled'].isin(new['labelled'])], new]).to_csv(file, index=False)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('labelled', nargs='+', choices=['A', 'B', 'zheng'])
    a.add_argument('--draws', type=int, default=5)
    a = a.parse_args()
    torch.set_num_threads(1)
    model = load_model('differential')
    for labelled in a.labelled:
        t = laboratory(labelled)
        rows, gains = judge(labelled, model, t, block_views(model.net, t, model, progress=False), a.draws)
        written(rows, 'adapt_deep')
        written(gains, 'adapt_deep_gain')


if __name__ == '__main__': main()
