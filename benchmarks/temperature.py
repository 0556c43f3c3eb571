"""How a temperature should be fitted where few validation images are wrong: a simulation of networks whose right temperature is known.

    python benchmarks/temperature.py    # a minute; writes benchmarks/results/temperature.csv

Logits of five classes are drawn, and the labels from their softmax, so that these logits are calibrated; the network states a multiple of
them. Each way of fitting is judged by how far the expected log loss of its temperature lies above that of the right one.
"""
import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax

OUT = Path(__file__).parent/'results'/'temperature.csv'
CLASSES, LOG_T = 5, np.linspace(np.log(.1), np.log(10), 231)
ACCURACIES, STATED, IMAGES, WIDTHS = (.9, .97, .99, .999), (.5, .75, 1, 1.5, 2.5), (30, 100, 300, 1000), (.25, .5, 1)


def draw(rng, n, lead, mixed):
    "Calibrated logits; the likely class leads by `lead`, or in the mixed kind by an amount of its own for each image."
    z = rng.normal(0, 1.5, (n, CLASSES))
    z[np.arange(n), rng.integers(0, CLASSES, n)] += lead*rng.gamma(2, .5, n) if mixed else lead
    return z


def lead_for(accuracy, mixed):
    "The lead that gives an accuracy, by bisection."
    low, high = 0., 200.
    for _ in range(40):
        middle = (low + high)/2
        less = softmax(draw(np.random.default_rng(0), 20_000, middle, mixed), axis=1).max(1).mean() < accuracy
        low, high = (middle, high) if less else (low, middle)
    return middle


def at_each(z): return log_softmax(z/np.exp(LOG_T)[:, None, None], axis=2) # (temperatures, n, classes)


def fits(z, y)->dict: # way of fitting -> place in LOG_T
    logs, n = at_each(z), len(z)
    own, wide = -logs[:, np.arange(n), y].sum(1), 1/(n + 2)
    p, one = np.exp(logs), np.abs(LOG_T).argmin()
    mean = (p*z).sum(2)
    information = (p*z**2).sum(2) - mean**2
    losses = {'no prior': own, 'smoothed targets (Platt)': (1 - wide)*own - wide/(CLASSES - 1)*(logs.sum((1, 2)) + own),
              "Firth's penalty": own - np.log(np.maximum(information.sum(1), 1e-300))/2} | {f'prior {w:g}': own + (LOG_T/w)**2/2 for w in WIDTHS}
    found = {name: int(v.argmin()) for name, v in losses.items()}
    return found | {'1 where all are right': one if (z.argmax(1) == y).all() else found['no prior']}


def main():
    argparse.ArgumentParser(description=__doc__.split('\n')[0]).parse_args()
    rng, rows = np.random.default_rng(1), []
    for mixed, accuracy in product((False, True), ACCURACIES):
        lead = lead_for(accuracy, mixed)
        truth = draw(np.random.default_rng(2), 3000, lead, mixed)
        for stated in STATED:
            loss = -(softmax(truth, axis=1)*at_each(truth*stated)).sum(2).mean(1)
            best = loss[np.abs(LOG_T - np.log(stated)).argmin()]
            for n in IMAGES:
                for _ in range(60 if n < 1000 else 20):
                    z = draw(rng, n, lead, mixed)
                    y = (softmax(z, axis=1).cumsum(1) < rng.random((n, 1))).sum(1).clip(0, CLASSES - 1)
                    rows += [(name, mixed, accuracy, stated, n, loss[i] - best) for name, i in fits(z*stated, y).items()]
        print(f'{"mixed" if mixed else "even"}, accuracy {accuracy}', flush=True)
    drawn = pd.DataFrame(rows, columns=['fitted', 'mixed', 'accuracy', 'stated', 'images', 'excess'])
    cells = drawn.groupby(['fitted', 'mixed', 'accuracy', 'stated', 'images'])['excess'].mean().reset_index() # each setting counts alike
    table = pd.DataFrame({'all': cells.groupby('fitted')['excess'].mean(), 'calibrated': cells[cells['stated'] == 1].groupby('fitted')['excess'].mean(),
                          '30 images': cells[cells['images'] == 30].groupby('fitted')['excess'].mean()}).sort_values('all').reset_index()
    table.assign(command='python benchmarks/temperature.py').to_csv(OUT, index=False, float_format='%.4f')
    print(table.round(4).to_string(index=False))


if __name__ == '__main__': main()
