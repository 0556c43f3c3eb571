"""What a folder of unlabelled cells of a new laboratory, and several views of each cell, are worth to the shipped eight-class network.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_folder.py --work runs/unseen

Writes nbs/studies/results/folder.csv, one row per method and laboratory; what has a strength is tried with several, and all are kept.
"""
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import unseen_full as full
import unseen_views as d
from shipped_outputs import SCALE, SIZE, arguments, codes, judged, kept, outputs
from unseen import group_names
from unseen_size import TEMPERATURE, gain

from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.models.bundle import load_model

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'folder.csv'
STRENGTHS = .25, .5, 1.
SCALES = .7, .8, .9, 1.


class Mixed(torch.nn.Module):
    "Batch norm whose statistics are a mixture of its own and the batch's."
    def __init__(self, bn, share):
        super().__init__()
        self.bn, self.share = bn, share
    def forward(self, x):
        bn, a = self.bn, self.share
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        mean, var = (1 - a)*bn.running_mean + a*mean, (1 - a)*bn.running_var + a*var
        return bn_act(bn, torch.nn.functional.batch_norm(x, mean, var, bn.weight, bn.bias, False, 0., bn.eps))


def bn_act(bn, x): return bn.act(bn.drop(x)) if hasattr(bn, 'act') else x # timm joins batch norm and activation


def with_mixed(net, share):
    for name, child in net.named_children():
        if isinstance(child, torch.nn.BatchNorm2d): setattr(net, name, Mixed(child, share))
        else: with_mixed(child, share)
    return net


@torch.inference_mode()
def batch_norm(pictures, folder, share, batch=150):
    "Logits with batch-norm statistics mixed with those of the folder (of large batches of it, in random order)."
    torch.set_num_threads(1)
    net, out = with_mixed(load_model('differential').net.eval(), share), np.zeros((len(pictures), len(d.CLASSES)))
    for g in np.unique(folder):
        k = np.random.default_rng(0).permutation(np.flatnonzero(folder == g))
        for part in np.array_split(k, max(1, round(len(k)/batch))): out[part] = net(full.scaled(pictures[torch.from_numpy(part)])).numpy()
    return out


def turns(x): # uint8 (h, w, 3): its 8 flips and quarter turns
    return [np.ascontiguousarray(np.rot90(v, k)) for v in (x, x[:, ::-1]) for k in range(4)]


def views(session, t, rows): # (scales, turns, n, classes)
    "Logits of every turn of every square."
    out = np.zeros((len(SCALES), 8, len(rows), len(d.CLASSES)), np.float32)
    for i, j in enumerate(rows):
        a = d.pixels(t['path'][j])
        at = d.place(a)
        for s, scale in enumerate(SCALES):
            for k, x in enumerate(turns(d.clean(a, at, SIZE, scale))): out[s, k, i] = session.run(['logits'], {'pixels': x[None]})[0][0]
    return out


def saerens(p, steps=100):
    "Probabilities under the class frequencies of the folder, by expectation maximisation; they were even."
    prior = np.full(p.shape[1], 1/p.shape[1])
    for _ in range(steps):
        q = p*prior
        q /= q.sum(1, keepdims=True)
        prior = q.mean(0)
    return np.log(q + 1e-12)


def moved(x, probs, centres, spread, how, strength):
    "Features of a folder, moved to those of the training images."
    if how == 'offset': return x - strength*((x.mean(0) - (probs@centres).mean(0)))
    to = x.mean(0) + strength*(centres.mean(0) - x.mean(0))
    if how == 'mean': return x - x.mean(0) + to
    return (x - x.mean(0))*(spread/np.maximum(x.std(0), 1e-3))**strength + to


def main():
    work = arguments(__doc__).parse_args().work
    t, n, found, session = outputs(work)
    J, y = t.iloc[n:], codes(t)
    folder = np.where(J['set'].isin(['wbc5', 'barcelona']), J['lab'], group_names(J))
    x, z = found['clean']['x'].astype(float), found['clean']['logits'][n:].astype(float)
    head = load_model('differential').net.head[0]
    w, b = (v.detach().numpy() for v in (head.weight, head.bias))
    tables = []
    def add(name, logits): tables.append(judged(logits, J, name).merge(gain(z, logits, J)))
    add('as shipped', z)
    centres = np.stack([x[:n][y[:n] == c].mean(0) for c in range(len(d.CLASSES))])
    spread = np.mean([x[:n][y[:n] == c].var(0) for c in range(len(d.CLASSES))], axis=0) + centres.var(0)
    for how in ('mean', 'mean and spread', 'offset'):
        for strength in STRENGTHS:
            new = np.zeros_like(z)
            for g in np.unique(folder):
                k = np.flatnonzero(folder == g)
                new[k] = moved(x[n:][k], softmax(z[k]/TEMPERATURE), centres, np.sqrt(spread), how, strength)@w.T + b
            add(f'features moved: {how}, strength {strength}', new)
    new = np.zeros_like(z)
    for g in np.unique(folder): new[folder == g] = saerens(softmax(z[folder == g]/TEMPERATURE))
    add('class frequencies re-estimated', new)
    pictures = full.clean_pictures(t, np.arange(n, len(t)), SIZE, SCALE)
    for share in (0., *STRENGTHS):
        done = kept(work/f'bn{share}.npz', lambda share=share: dict(z=batch_norm(pictures, folder, share)))['z']
        add(f'batch norm of the folder, share {share}', done)
    v = kept(work/'views.npz', lambda: dict(z=views(session, t, range(n, len(t)))))['z'].astype(float)
    add('8 flips and quarter turns', v[SCALES.index(SCALE)].mean(0))
    add('4 squares', v[:, 0].mean(0))
    add('4 squares of 8 turns', v.mean((0, 1)))
    out = pd.concat(tables)
    out.to_csv(OUT, index=False)
    print(out[['model', 'laboratory', 'balanced', 'gain', 'gain_low', 'gain_high', 'called_blast', 'blasts_recalled', 'blast_auroc']].to_string())


if __name__ == '__main__': main()
