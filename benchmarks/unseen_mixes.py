"""Adaptation without labels, to folders in which classes are evenly mixed and to folders in which they are not.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_mixes.py --work runs/unseen

The shipped eight-class network with the widths of the nuclei (`NucleusSize`), with its features moved so that the folder's mean is
that of the training images, and with both. Cells of a laboratory are drawn with replacement to the frequencies of the mix, 30 times
200 cells; balanced recall over the classes of the mix. Writes nbs/studies/results/mixes.csv.
"""
from pathlib import Path

import numpy as np
import pandas as pd
import unseen_views as d
from shipped_outputs import GROUPS, arguments, codes, judged, kept, known_sizes, outputs
from unseen import group_names
from unseen_size import gain

from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.data.nucleus import nucleus_widths

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
MIXES = {'normal blood': dict(seg_neutrophil=.6, lymphocyte=.3, monocyte=.07, eosinophil=.03),
         'lymphocytes': dict(lymphocyte=1.), 'blasts': dict(myeloblast=1.),
         'acute leukaemia': dict(myeloblast=.8, lymphocyte=.1, seg_neutrophil=.05, erythroblast=.05)}


def adapted(x, z, widths, size, mean, weight, move):
    "Logits of a folder: `move`, a share of the way of its mean feature to `mean`; with or without widths (`size`)."
    z = z + move*(mean - x.mean(0))@weight.T
    return z if size is None else size.scaled_to(z, widths).add(z, widths)


def main():
    work = arguments(__doc__).parse_args().work
    t, n, found, _ = outputs(work)
    y, J = codes(t), t.iloc[n:]
    widths = kept(work/'widths.npz', lambda: dict(w=nucleus_widths(t.assign(error=''))))['w']
    size = known_sizes(t.iloc[:n], widths[:n])
    print(size)
    x, z = found['clean']['x'].astype(float), found['clean']['logits'][n:].astype(float)
    mean = np.mean([x[:n][y[:n] == c].mean(0) for c in range(len(d.CLASSES))], axis=0)
    weight = load_model('differential').net.head[0].weight.detach().numpy()
    folder = np.where(J['set'].isin(['wbc5', 'barcelona']), J['lab'], group_names(J))
    methods = {'as shipped': (None, 0.), 'widths of nuclei': (size, 0.), 'features moved': (None, 1.), 'half moved': (None, .5),
               'widths and features moved': (size, 1.), 'widths and half moved': (size, .5)}
    def of(k, method): return adapted(x[n:][k], z[k], widths[n:][k], methods[method][0], mean, weight, methods[method][1])
    tables = []
    for method in methods:
        new = np.zeros_like(z)
        for g in np.unique(folder): new[folder == g] = of(np.flatnonzero(folder == g), method)
        tables.append(judged(new, J, method).merge(gain(z, new, J)))
    whole = pd.concat(tables)
    whole.to_csv(OUT/'unlabelled.csv', index=False)
    print(whole.to_string())
    rows, group, yj = [], group_names(J), y[n:]
    for g in GROUPS[1:]:
        for mix, shares in MIXES.items():
            cells = {c: np.flatnonzero((group == g) & (yj == d.CLASSES.index(c))) for c in shares}
            if not all(map(len, cells.values())): continue
            r, got = np.random.default_rng(SEED), {m: [] for m in methods}
            for _ in range(30):
                k = np.concatenate([r.choice(cells[c], round(200*s)) for c, s in shares.items()])
                for m in methods: got[m].append([(of(k, m).argmax(1) == yj[k])[yj[k] == c].mean() for c in np.unique(yj[k])])
            rows += [dict(laboratory=g, mix=mix, method=m, balanced=np.mean(v), low=np.quantile(np.mean(v, 1), .025), high=np.quantile(np.mean(v, 1), .975))
                     for m, v in got.items()]
    out = pd.DataFrame(rows).round(3)
    out.to_csv(OUT/'mixes.csv', index=False)
    print(out.pivot_table(index=['laboratory', 'mix'], columns='method', values='balanced').to_string())


if __name__ == '__main__': main()
