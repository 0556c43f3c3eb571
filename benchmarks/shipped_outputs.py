"""Outputs of the shipped eight-class network and measures of the cell, computed once: what the experiments without a graphics card share.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/shipped_outputs.py --work runs/unseen
"""
import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import unseen_full as full
import unseen_views as d
from cell_size import MEASURES, measure
from sklearn.metrics import roc_auc_score
from unseen import group_names

from blood_cell_cancer.core.intervals import mean_share, wilson
from blood_cell_cancer.data.nucleus import NucleusSize
from blood_cell_cancer.use.stream import open_onnx

SIZE, SCALE, EACH = full.SIZE, .8, 900 # as the shipped network was trained
GROUPS = 'home', 'jhuA', 'jhuB', 'zheng'
BLAST, LYMPHOCYTE, NEUTROPHIL = (d.CLASSES.index(c) for c in ('myeloblast', 'lymphocyte', 'seg_neutrophil'))


def run(session, rows, make): # features (n, d), logits (n, classes)
    "Features and logits of the picture `make` gives for each row."
    out = [session.run(['features', 'logits'], {'pixels': make(int(j))[None]}) for j in rows]
    return tuple(np.concatenate(v) for v in zip(*out))


def kept(file, make):
    "Arrays of a file, which `make` makes if it is not there."
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **make())
        print(file, flush=True)
    return np.load(file)


def outputs(work, views=2):
    "The table of the rows (first those that trained), how many trained, and a dictionary of arrays."
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    train, judge = d.parts(t, EACH)
    judge = judge[t['set'][judge] != 'bccd'] # all of it trained
    rows = np.r_[train, judge]
    session, out = open_onnx('differential', int8=True).session, {}
    def clean(j, scale=SCALE):
        a = d.pixels(t['path'][j])
        return d.clean(a, d.place(a), SIZE, scale)
    def both(rows, make): return lambda: dict(zip(('x', 'logits'), run(session, rows, make)))
    def view(v):
        data = full.Views(t, train, SIZE, 1, 0)
        def make(j):
            a, r = d.pixels(t['path'][j]), np.random.default_rng([12, v, j])
            return d.view(a, d.place(a), r, SIZE, lambda r: data.style(j, r), scale=SCALE)
        return make
    out['clean'] = kept(work/'clean.npz', both(rows, clean))
    out['measures'] = kept(work/'measures.npz', lambda: dict(m=np.array([measure(d.pixels(p)) for p in t['path'][rows]])))['m']
    for v in range(views): out[f'view{v}'] = kept(work/f'view{v}.npz', both(train, view(v)))
    return t.loc[rows].reset_index(drop=True), len(train), out, session


def codes(t): return np.array([d.CLASSES.index(c) for c in t['label']])


def judged(logits, t, name, groups=GROUPS)->pd.DataFrame:
    "One row per laboratory: balanced recall with its interval (classes of ten cells or more), lymphocytes and normal cells called myeloblast, blast AUROC."
    y, said, group, out = codes(t), logits.argmax(1), group_names(t), []
    p = np.exp(logits[:, BLAST] - np.logaddexp.reduce(logits, axis=1))
    normal = t['label'].isin(d.NORMAL).to_numpy()
    for g in groups:
        k = group == g
        n = np.bincount(y[k], minlength=len(d.CLASSES))
        right = np.bincount(y[k & (said == y)], minlength=len(d.CLASSES))
        have = n >= 10
        value, low, high = mean_share(right[have], n[have])
        lymph = k & (y == LYMPHOCYTE)
        wrong = int((said[lymph] == BLAST).sum())
        b = k & (normal | (y == BLAST))
        out.append(dict(model=name, laboratory=g, balanced=value, low=low, high=high, lymphocytes=lymph.sum(), called_blast=wrong,
                        **dict(zip(('blast_low', 'blast_high'), wilson(wrong, int(lymph.sum())))),
                        normal_called_blast=(said[k & normal] == BLAST).mean(), blasts_recalled=right[BLAST]/n[BLAST] if n[BLAST] else np.nan,
                        lymphocytes_recalled=right[LYMPHOCYTE]/n[LYMPHOCYTE], blast_auroc=roc_auc_score(y[b] == BLAST, p[b]) if n[BLAST] else np.nan))
    return pd.DataFrame(out).round(3)


def aligned(widths, y, lab):
    "Munich's widths on Barcelona's scale, by the class that both have; BCCD's cells were cut out one by one and have no scale."
    out = np.where(lab == 'bccd', np.nan, widths)
    def usual(g): return np.nanmedian(widths[(lab == g) & (y == NEUTROPHIL)])
    return np.where(lab == 'munich', out*usual('barcelona')/usual('munich'), out)


def known_sizes(t, widths)->NucleusSize:
    "Of rows that trained."
    y = np.array([d.CLASSES.index(c) for c in t['label']])
    return NucleusSize.of(aligned(widths, y, t['lab'].to_numpy()), y)


def arguments(doc):
    a = argparse.ArgumentParser(description=doc.split('\n')[0])
    a.add_argument('--work', type=Path, default=Path('runs/unseen'))
    return a


if __name__ == '__main__':
    T, n, found, _ = outputs(arguments(__doc__).parse_args().work)
    print(judged(found['clean']['logits'][n:], T.iloc[n:], 'as shipped').to_string())
    print(pd.DataFrame(found['measures'], columns=MEASURES).groupby([T['lab'], T['label']]).median().round(2).to_string())
