"""Give the bundle `differential` the widths of its classes' nuclei, and thresholds fitted with them; judge `adapt --unlabelled`.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/ship_nucleus.py

The weights of the bundle don't change, nor its thresholds without widths. Temperature, thresholds and limit with widths are fitted as
`ship_differential.py` fits those without. Each laboratory is an unlabelled folder of its own, for the 8-bit network without widths, with
them, and with the thresholds that were fitted with them: nbs/studies/results/nucleus.csv by class, nucleus_gain.csv in all.
"""
import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import unseen as u
import unseen_views as d
from ship_differential import CHOSE, fitted
from shipped_outputs import GROUPS, judged, known_sizes
from unseen_size import gain

from blood_cell_cancer.data.nucleus import nucleus_widths
from blood_cell_cancer.models.bundle import write_facts
from blood_cell_cancer.models.shipped import SHIPPED
from blood_cell_cancer.use.stream import open_onnx

RESULTS = Path(__file__).parents[1]/'nbs'/'studies'/'results'
EACH = 900 # as for ship_differential.py


def main():
    argparse.ArgumentParser(description=__doc__.split('\n')[0]).parse_args() # --help alone: a run writes to the bundle
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA'])).assign(error='')
    train = t.loc[d.parts(t, EACH)[0]].reset_index(drop=True)
    size, model, rows = known_sizes(train, nucleus_widths(train)), open_onnx('differential', int8=True), []
    judgement = []
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
    refitted = fitted(features, sized, away, list(CHOSE), model.uncertainty.arrays['bank'])
    for how, z, uncertainty in (('without widths', logits, model.uncertainty), ('with widths', sized, model.uncertainty), ('with widths, thresholds fitted with them', sized, refitted)):
        rows.append(u.figures(z, away, ~np.array(uncertainty.columns(z, features)['abstained'])).assign(how=how))
        if uncertainty is refitted: continue # the classes are the same
        judgement.append(judged(z, away, how, GROUPS[1:]).merge(gain(logits, z, away, GROUPS[1:])))
    for table, name in ((pd.concat(rows), 'nucleus'), (pd.concat(judgement), 'nucleus_gain')):
        table.assign(command='python benchmarks/ship_nucleus.py').to_csv(RESULTS/f'{name}.csv', index=False, float_format='%.4f')
        print(table.to_string())
    facts = json.loads((SHIPPED/'differential'/'bundle.json').read_text())
    facts['uncertainty']['facts']['with_widths'] = {k: refitted.to_dict()[k] for k in ('temperature', 'thresholds', 'limit', 'answered')}
    write_facts(facts | dict(nucleus=size.to_dict()), SHIPPED/'differential')


if __name__ == '__main__': main()
