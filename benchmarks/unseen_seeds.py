"""Several trainings of the eight-class network that differ in seed and views: how far chance moves the figures, and what their mean is worth.

    export BLOOD_CELLS_DATA=folder
    sh benchmarks/seeds.sh tf_efficientnet_lite0.in1k.safetensors        # half an hour; makes the table as well

Writes nbs/studies/results/seeds.csv: rows for each network and laboratory, for the mean of their probabilities with and without the shipped
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
from shipped_outputs import EACH, SCALE, judged
from unseen_size import gain

from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.models.bundle import load_model

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
GROUPS = 'home', 'bccd', 'jhuA', 'jhuB', 'zheng'


def mean_of(found, names):
    "Logarithms of the mean probabilities."
    return np.log(np.mean([softmax(found[k]) for k in names], axis=0) + 1e-9)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('nets', nargs='+', type=Path, help='folders of unseen_full.py')
    a.add_argument('--alone', nargs='*', default=[], type=Path, help='further ones, which are in none of the means')
    a = a.parse_args()
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    _, judge = d.parts(t, EACH)
    J, z = t.loc[judge].reset_index(drop=True), full.clean_pictures(t, judge, full.SIZE, SCALE)
    found = {'shipped': full.logits_of(load_model('differential').net, z)} | {f.name: np.load(f/'logits.npy') for f in a.nets}
    names = list(found)
    found['mean of the weights'] = full.logits_of(network(a.nets), z)
    found['mean of the probabilities'] = mean_of(found, names[1:])
    found['mean of the probabilities, with shipped'] = mean_of(found, names)
    found |= {f.name: np.load(f/'logits.npy') for f in a.alone}
    rows = [judged(v, J, name, GROUPS).merge(gain(found['shipped'], v, J, GROUPS)) for name, v in found.items()]
    table = pd.concat(rows, ignore_index=True)
    table.to_csv(OUT/'seeds.csv', index=False)
    print(table.to_string())


if __name__ == '__main__': main()
