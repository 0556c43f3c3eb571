"""Several trainings of the eight-class network that differ in seed and views: how far chance moves the figures, and what their mean is worth.

    export BLOOD_CELLS_DATA=folder
    sh benchmarks/seeds.sh tf_efficientnet_lite0.in1k.safetensors        # two hours; makes the table as well
    sh benchmarks/seeds_224.sh tf_efficientnet_lite0.in1k.safetensors    # two hours: what was tried beside the network shipped now

Writes nbs/studies/results/seeds.csv (seeds_224.csv): rows for each network and laboratory, for the mean of their probabilities with and without the shipped
network's, and for the network whose weights are the mean of theirs. Gains are over the shipped network in full precision.
"""
import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import unseen_full as full
import unseen_views as d
from ship_differential import network
from shipped_outputs import EACH, SCALE, codes, judged
from unseen import group_names
from unseen_size import gain

from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.models.bundle import load_model

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
GROUPS = 'home', 'bccd', 'jhuA', 'jhuB', 'zheng'


def mean_of(found, names):
    "Logarithms of the mean probabilities."
    return np.log(np.mean([softmax(found[k]) for k in names], axis=0) + 1e-9)


def errors_in_common(shipped, other, t)->pd.DataFrame:
    "Of the errors of the shipped network: the shares on which the other one is wrong too, and says the same class."
    y, a, b, group = codes(t), shipped.argmax(1), other.argmax(1), group_names(t)
    shares = [(g, [(v[(a != y) & (group == g)]).mean() for v in (b != y, a == b)]) for g in GROUPS]
    return pd.DataFrame([dict(laboratory=g, errors_in_common=wrong, same_wrong_class=same) for g, (wrong, same) in shares]).round(3)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('nets', nargs='*', type=Path, help='folders of unseen_full.py')
    a.add_argument('--alone', nargs='*', default=[], type=Path, help='further ones, which are in none of the means')
    a.add_argument('--size', type=int, default=full.SIZE, help='pixels')
    a.add_argument('--out', default='seeds.csv')
    a = a.parse_args()
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    _, judge = d.parts(t, EACH)
    J, z = t.loc[judge].reset_index(drop=True), full.clean_pictures(t, judge, a.size, SCALE)
    found = {'shipped': full.logits_of(load_model('differential').net, z)} | {f.name: np.load(f/'logits.npy') for f in a.nets}
    names = list(found)
    if a.nets:
        found['mean of the weights'] = full.logits_of(network(a.nets), z)
        found['mean of the probabilities'] = mean_of(found, names[1:])
        found['mean of the probabilities, with shipped'] = mean_of(found, names)
    found |= {f.name: np.load(f/'logits.npy') for f in a.alone}
    first = found['shipped']
    rows = [judged(v, J, name, GROUPS).merge(gain(first, v, J, GROUPS)).merge(errors_in_common(first, v, J)) for name, v in found.items()]
    table = pd.concat(rows, ignore_index=True)
    table.to_csv(OUT/a.out, index=False)
    print(table.to_string())


if __name__ == '__main__': main()
