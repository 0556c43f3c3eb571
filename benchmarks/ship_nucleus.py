"""Give the bundle `differential` the widths of its classes' nuclei, and judge `adapt --unlabelled` on laboratories that trained nothing.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/ship_nucleus.py

Neither weights nor thresholds of the bundle change. Writes nbs/studies/results/nucleus.csv: each laboratory as its own unlabelled
folder, by class, with the 8-bit network and the thresholds as shipped, without and with the widths.
"""
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import unseen as u
import unseen_views as d

from blood_cell_cancer.data.nucleus import NucleusSize, nucleus_widths
from blood_cell_cancer.models.bundle import write_facts
from blood_cell_cancer.models.shipped import SHIPPED
from blood_cell_cancer.use.stream import open_onnx

TABLE = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'nucleus.csv'
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
    facts = json.loads((SHIPPED/'differential'/'bundle.json').read_text())
    write_facts(facts | dict(nucleus=size.to_dict()), SHIPPED/'differential')
    away = t[t['set'].isin(['jhu', 'zheng'])].reset_index(drop=True)
    group = u.group_names(away)
    for g in ('jhuA', 'jhuB', 'zheng'):
        own = away[group == g].reset_index(drop=True)
        logits, features = model.arrays(list(model.all_outputs(own['path'])))
        widths = nucleus_widths(own)
        there = size.scaled_to(logits, widths)
        for how, z in (('without widths', logits), ('with widths', there.add(logits, widths))):
            known = u.figures(z, own, ~np.array(model.uncertainty.columns(z, features)['abstained']))
            said = np.array(d.CLASSES)[z.argmax(1)]
            known['called_myeloblast'] = [((said == 'myeloblast') & ((own['label'] == c) | (c == 'all'))).sum() for c in known['label']]
            rows.append(known.assign(how=how, scale=round(there.scale, 3)))
    table = pd.concat(rows)
    table.assign(command='python benchmarks/ship_nucleus.py').to_csv(TABLE, index=False, float_format='%.4f')
    print(size, table.to_string())


if __name__ == '__main__': main()
