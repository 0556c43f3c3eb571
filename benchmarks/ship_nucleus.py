"""Give the bundle `differential` the widths of its classes' nuclei, and judge `adapt --unlabelled` on laboratories that trained nothing.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/ship_nucleus.py

Neither weights nor thresholds of the bundle change. Each laboratory is an unlabelled folder of its own, without and
with the widths, for the 8-bit network and the thresholds as shipped: nbs/studies/results/nucleus.csv by class, nucleus_gain.csv in all.
"""
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import unseen as u
import unseen_views as d
from shipped_outputs import GROUPS, judged
from unseen_size import gain

from blood_cell_cancer.data.nucleus import NucleusSize, nucleus_widths
from blood_cell_cancer.models.bundle import write_facts
from blood_cell_cancer.models.shipped import SHIPPED
from blood_cell_cancer.use.stream import open_onnx

RESULTS = Path(__file__).parents[1]/'nbs'/'studies'/'results'
NEUTROPHIL = d.CLASSES.index('seg_neutrophil')
EACH = 900 # as for ship_differential.py


def aligned(widths, y, lab):
    "Munich's widths on Barcelona's scale, by the class that both have; BCCD's cells were cut out one by one and have no scale."
    out = np.where(lab == 'bccd', np.nan, widths)
    def usual(g): return np.nanmedian(widths[(lab == g) & (y == NEUTROPHIL)])
    return np.where(lab == 'munich', out*usual('barcelona')/usual('munich'), out)


def known_sizes(t, widths)->NucleusSize:
    "Of rows that trained."
    y = np.array([d.CLASSES.index(c) for c in t['label']])
    return NucleusSize.of(aligned(widths, y, t['lab'].to_numpy()), y)


def main():
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA'])).assign(error='')
    train = t.loc[d.parts(t, EACH)[0]].reset_index(drop=True)
    size, model, rows = known_sizes(train, nucleus_widths(train)), open_onnx('differential', int8=True), []
    judgement = []
    facts = json.loads((SHIPPED/'differential'/'bundle.json').read_text())
    write_facts(facts | dict(nucleus=size.to_dict()), SHIPPED/'differential')
    away = t[t['set'].isin(['jhu', 'zheng'])].reset_index(drop=True)
    group = u.group_names(away)
    # Zheng's are two collections of different magnification, named d1 and d2.
    folder = np.where(group == 'zheng', [Path(p).name[:2] for p in away['path']], group)
    logits, features = model.arrays(list(model.all_outputs(away['path'])))
    widths, sized = nucleus_widths(away), logits.copy()
    for f in np.unique(folder):
        k = folder == f
        there = size.scaled_to(logits[k], widths[k])
        sized[k] = there.add(logits[k], widths[k])
        print(f, k.sum(), 'cells, scale', round(there.scale, 3))
    for how, z in (('without widths', logits), ('with widths', sized)):
        rows.append(u.figures(z, away, ~np.array(model.uncertainty.columns(z, features)['abstained'])).assign(how=how))
        judgement.append(judged(z, away, how, GROUPS[1:]).merge(gain(logits, z, away, GROUPS[1:])))
    for table, name in ((pd.concat(rows), 'nucleus'), (pd.concat(judgement), 'nucleus_gain')):
        table.assign(command='python benchmarks/ship_nucleus.py').to_csv(RESULTS/f'{name}.csv', index=False, float_format='%.4f')
        print(table.to_string())


if __name__ == '__main__': main()
