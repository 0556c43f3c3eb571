"""What some labelled cells per class of a new laboratory are worth: half of Johns Hopkins' patients is labelled, the other half judges.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_adapt.py
    python benchmarks/unseen_adapt.py --widths   # with the widths of the nuclei as further inputs of the last layer

Writes nbs/studies/results/adapt.csv, or adapt_widths.csv.
"""
import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import unseen_views as d

from blood_cell_cancer.core.intervals import mean_share
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.nucleus import nucleus_widths
from blood_cell_cancer.models.adapt import choose_penalty, fit_last_layer
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.engines import engine_module

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
LYMPHOCYTE, BLAST = (d.CLASSES.index(c) for c in ('lymphocyte', 'myeloblast'))


def balanced(logits, y):
    "Balanced recall with its interval."
    right, n = (np.bincount(v, minlength=len(d.CLASSES)) for v in (y[logits.argmax(1) == y], y))
    return mean_share(right[n > 0], n[n > 0])


def with_widths(size, widths, pool, x, layer):
    "Inputs with the densities of the widths beside them, and the layer that adds these to its outputs."
    logits = x @ layer[0].T + layer[1]
    density = size.scaled_to(logits[pool], widths[pool]).add(np.zeros_like(logits), widths)
    return np.c_[x, density], (np.c_[layer[0], np.eye(len(d.CLASSES), dtype=np.float32)], layer[1])


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--bundle', default='differential')
    a.add_argument('--draws', type=int, default=5)
    a.add_argument('--widths', action='store_true', help='densities of the widths, on the scale of the labelled half, as eight inputs')
    a = a.parse_args()
    t, model, rows = load_images('johns_hopkins'), load_model(a.bundle), []
    half, module = t['group'].map(d.half_of).to_numpy(), engine_module(model.engine)
    plain = module.last_inputs(model.net, model.features(t)[0]), module.last_layer(model.net)
    widths = nucleus_widths(t) if a.widths else None
    y = t['label'].cat.codes.to_numpy()
    for own, other in ('AB', 'BA'):
        pool, test = (np.nonzero(half == h)[0] for h in (own, other))
        x, layer = (with_widths(model.nucleus, widths, pool, *plain) if a.widths else plain)
        for n in (0, 5, 10, 20, 40):
            for draw in range(a.draws if n else 1):
                r = np.random.default_rng(draw)
                k = np.concatenate([r.permutation(pool[y[pool] == c])[:n] for c in range(len(d.CLASSES))])
                groups = t['group'].iloc[k].to_numpy()
                w, b = fit_last_layer(x[k], y[k], *layer, choose_penalty(x[k], y[k], groups, layer)) if n else layer
                logits = x[test] @ w.T + b
                value, low, high = balanced(logits, y[test])
                rows.append(dict(labelled_half=own, judged_half=other, cells_per_class=n, draw=draw, balanced_recall=value, low=low,
                                 high=high, lymphocytes_called_myeloblast=int((logits.argmax(1) == BLAST)[y[test] == LYMPHOCYTE].sum())))
    table = pd.DataFrame(rows).round(4)
    table.to_csv(OUT/f'adapt{"_widths" if a.widths else ""}.csv', index=False)
    print(table.groupby(['labelled_half', 'cells_per_class'])[['balanced_recall', 'lymphocytes_called_myeloblast']].agg(['mean', 'min', 'max']).to_string())


if __name__ == '__main__': main()
