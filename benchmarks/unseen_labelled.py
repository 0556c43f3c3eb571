"""More from ten labelled cells per class, tried on the features of the shipped network: half B of Johns Hopkins' patients or some of Zheng's cells are labelled.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_labelled.py --work runs/labelled

`unseen_deep.py` judges what was kept. Writes nbs/studies/results/adapt_tried.csv: the gain over `fit_last_layer` in half A and at Zheng's.
"""
import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import unseen_views as d
from cell_size import measure
from shipped_outputs import kept
from unseen_adapt import OUT, balanced
from unseen_deep import cells, laboratory

from blood_cell_cancer.core.io import pixel_batches
from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.data.preprocess import make_preprocess
from blood_cell_cancer.models.adapt import choose_penalty, fit_last_layer
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.fastai.block import turned
from blood_cell_cancer.models.fastai.training import last_layer

K, HOME = len(d.CLASSES), 150 # cells of each class and laboratory that trained


def looked_at(model, paths, turns=1):
    "Features (turns, n, d), and mean, spread and maximum of the stages behind the first (n, e)."
    body, features, stages = model.net.eval().body, [], []
    with torch.inference_mode():
        for x in pixel_batches(paths, model.recipe.size, make_preprocess(model.recipe.preprocess), 16):
            of = []
            for i, v in enumerate(turned(x)[:turns]):
                z, stage = body.bn1(body.conv_stem((torch.from_numpy(v.copy()).permute(0, 3, 1, 2).float()/255 - .5)/.5)), []
                for n, block in enumerate(body.blocks):
                    z = block(z)
                    if n: stage += [z.mean((2, 3)), z.std((2, 3)), z.amax((2, 3))]
                z = body.bn2(body.conv_head(z))
                stage += [z.std((2, 3)), z.amax((2, 3))]
                of.append(body.global_pool(z).numpy())
                if not i: stages.append(torch.cat(stage, 1).numpy())
            features.append(np.stack(of))
    return dict(x=np.concatenate(features, 1), stages=np.concatenate(stages))


class Tries:
    "What was tried; each method gives the logits of the cells that judge."
    def __init__(self, layer, x, stages, measures, y, units, home, home_y):
        self.layer, self.x, self.turns, self.stages, self.measures, self.y, self.units = layer, x[0], x, stages, measures, y, units
        self.home, self.home_y = home, home_y
        within = np.mean([np.cov(home[home_y == c].T) for c in range(K)], axis=0)
        self.values, self.axes = np.linalg.eigh(within)

    def fitted(self, x, k, layer=None, test=None):
        layer = layer or self.layer
        w, b = fit_last_layer(x[k], self.y[k], *layer, choose_penalty(x[k], self.y[k], self.units[k], layer))
        return x[test] @ w.T + b

    def beside(self, more, k, unlabelled, test, weight=1.):
        "Further inputs, standardised on all cells of the folder, as long as the features on average."
        own = np.r_[k, unlabelled]
        g = np.nan_to_num((more - np.nanmean(more[own], 0))/(np.nanstd(more[own], 0) + 1e-6)).clip(-4, 4)
        length = np.sqrt(((self.x[k] - self.x[k].mean(0))**2).sum(1).mean()/(g[k]**2).sum(1).mean())
        return self.fitted(np.c_[self.x, g*length*weight], k, (np.c_[self.layer[0], np.zeros((K, g.shape[1]))], self.layer[1]), test)

    def all_stages(self, k, u, test): return self.beside(self.stages, k, u, test)
    def shape_and_texture(self, k, u, test): return self.beside(self.measures, k, u, test, .3)
    def leading_components(self, k, u, test):
        own = np.r_[k, u]
        g = (self.stages - self.stages[own].mean(0))/(self.stages[own].std(0) + 1e-6)
        return self.beside(g @ np.linalg.svd(g[own], full_matrices=False)[2][:20].T, k, u, test)

    def flips_and_turns(self, k, u, test):
        x, n = np.concatenate(self.turns[:, k]), len(self.turns)
        y, units = np.tile(self.y[k], n), np.tile(self.units[k], n)
        w, b = fit_last_layer(x, y, *self.layer, choose_penalty(x, y, units, self.layer))
        return self.x[test] @ w.T + b

    def spread(self, k, u, test):
        "Probabilities pulled towards those of the five nearest cells, labelled and not (LaplacianShot)."
        q = np.unique(np.r_[u, test])
        rows, z = np.r_[k, q], self.fitted(self.x, k, test=np.r_[k, q])
        near = self.x[rows] - self.x[rows].mean(0)
        near = near/np.linalg.norm(near, axis=1, keepdims=True)
        like = near @ near.T
        np.fill_diagonal(like, -9)
        graph = (like >= np.sort(like, axis=1)[:, [-5]]).astype(float)
        graph = np.maximum(graph, graph.T)
        graph, p = graph/graph.sum(1, keepdims=True), softmax(z)
        for _ in range(20):
            p = softmax(z + 1.2*graph @ p)
            p[:len(k)] = np.eye(K)[self.y[k]]
        return p[len(k):][np.searchsorted(q, test)]

    def home_metric(self, k, u, test, floor=3.):
        "The penalty in the metric of the covariance within classes at home."
        root = np.sqrt(self.values/self.values.mean() + floor)
        to, back = (self.axes/root) @ self.axes.T, (self.axes*root) @ self.axes.T
        return self.fitted(self.x @ to, k, (self.layer[0] @ back, self.layer[1]), test)

    def discriminant(self, k, u, test, floor=1., prior=5.):
        "Class means pulled to those of home, moved by the mean difference; covariance half of home, half of the labelled cells."
        have, n = np.unique(self.y[k]), np.bincount(self.y[k], minlength=K)[:, None]
        own, there = (np.array([x[y == c].mean(0) if (y == c).any() else np.zeros(x.shape[1]) for c in range(K)])
                      for x, y in ((self.x[k], self.y[k]), (self.home, self.home_y)))
        means = (n*own + prior*(there + (own - there)[have].mean(0)))/(n + prior)
        rest = self.x[k] - own[self.y[k]]
        home = (self.axes*self.values) @ self.axes.T/self.values.sum()
        S = home/2 + rest.T @ rest/(rest**2).sum()/2 + floor*np.eye(len(home))/len(home)
        w = np.linalg.solve(S, means.T).T
        return self.x[test] @ w.T - (w*means).sum(1)/2

    def nearest_mean(self, k, u, test):
        x = self.x - self.x[k].mean(0)
        x = x/np.linalg.norm(x, axis=1, keepdims=True)
        means = np.array([x[k][self.y[k] == c].mean(0) if (self.y[k] == c).any() else np.zeros(x.shape[1]) for c in range(K)])
        return x[test] @ (means/np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)).T

    def replay(self, k, u, test, each=10, times=3):
        "Cells of home beside the labelled ones, which count three times as much."
        of = np.concatenate([np.flatnonzero(self.home_y == c)[:each] for c in range(K)])
        again = max(1, round(times*len(of)/len(k)))
        penalty = choose_penalty(self.x[k], self.y[k], self.units[k], self.layer)
        w, b = fit_last_layer(np.r_[np.repeat(self.x[k], again, 0), self.home[of]], np.r_[np.repeat(self.y[k], again), self.home_y[of]],
                              *self.layer, penalty)
        return self.x[test] @ w.T + b


TRIED = 'all_stages', 'leading_components', 'shape_and_texture', 'flips_and_turns', 'spread', 'home_metric', 'discriminant', 'nearest_mean', 'replay'


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', type=Path, default=Path('runs/labelled'))
    a.add_argument('--draws', type=int, default=5)
    a = a.parse_args()
    torch.set_num_threads(1)
    model, rows = load_model('differential'), []
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    home = t.loc[d.parts(t, 900)[0]].groupby(['lab', 'label']).head(HOME)
    at_home = kept(a.work/'home.npz', lambda: looked_at(model, home['path'].tolist()))['x'][0]
    home_y = np.array([d.CLASSES.index(c) for c in home['label']])
    for labelled in ('B', 'zheng'):
        away = laboratory(labelled)
        found = kept(a.work/f'{labelled}.npz', lambda: looked_at(model, away['path'].tolist(), 8))
        sizes = kept(a.work/f'{labelled}_measures.npz', lambda: dict(m=np.array([measure(d.pixels(p)) for p in away['path']])))['m'][:, 4:]
        y, units = away['label'].cat.codes.to_numpy().astype(int), away['group' if labelled == 'B' else 'name'].to_numpy()
        half = away['group'].map(d.half_of).to_numpy() if labelled == 'B' else np.full(len(y), '')
        tries = Tries(last_layer(model.net), found['x'], found['stages'], sizes, y, units, at_home, home_y)
        for draw in range(a.draws):
            k, test = cells(labelled, 10, draw, y, half)
            unlabelled = np.setdiff1d(np.flatnonzero(half == 'B'), k) if labelled == 'B' else test
            before = balanced(tries.fitted(tries.x, k, test=test), y[test])[0]
            rows += [dict(judged='half A' if labelled == 'B' else 'zheng', tried=name, draw=draw, last_layer=before,
                          tried_instead=balanced(getattr(tries, name)(k, unlabelled, test), y[test])[0]) for name in TRIED]
        print(labelled, flush=True)
    out = pd.DataFrame(rows)
    out = out.assign(gain=out['tried_instead'] - out['last_layer']).groupby(['tried', 'judged'], sort=False)
    out = out.agg(last_layer=('last_layer', 'mean'), tried_instead=('tried_instead', 'mean'), gain=('gain', 'mean'), spread=('gain', 'std')).round(4)
    out.reset_index().to_csv(OUT/'adapt_tried.csv', index=False)
    print(out.to_string())


if __name__ == '__main__': main()
