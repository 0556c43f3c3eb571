"""Does the size of a cell, in diameters of the red cells around it, tell lymphocytes from myeloblasts in laboratories never seen?

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_size.py --work runs/unseen

Writes nbs/studies/results/size.csv (one row per model and laboratory) and size_auroc.csv.
"""
from pathlib import Path

import numpy as np
import pandas as pd
from cell_size import MEASURES
import unseen_views as d
from shipped_outputs import BLAST, GROUPS, LYMPHOCYTE, arguments, codes, judged, outputs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from unseen import group_names

from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.core.tables import softmax

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
LEAST = 3 # red cells that an image needs before its own median counts as much as the laboratory's
WEIGHTS = .25, .5, .75, 1., 1.25, 1.5
TEMPERATURE = 1.34 # of the shipped bundle


def red_diameter(m, lab):
    "Diameter of red cells: the image's median, drawn to its laboratory's where few are seen; NaN where the laboratory shows few at all."
    red, reds = (m[:, MEASURES.index(k)] for k in ('red', 'reds'))
    out = red.copy()
    for g in np.unique(lab):
        k = lab == g
        if np.isfinite(red[k]).mean() < .5: continue
        usual = np.log(np.nanmedian(red[k]))
        out[k] = np.exp((reds[k]*np.log(np.nan_to_num(red[k], nan=1)) + LEAST*usual)/(reds[k] + LEAST))
    return out


def sizes(m, lab, folder=None): # float (n, 2), NaN where the scale is unknown
    "Logarithms of the diameters of nucleus and cell in red cells; with `folder`, in median nuclei and cells of the folder."
    own = np.log(np.maximum(m[:, [MEASURES.index('nucleus'), MEASURES.index('cell')]], 1))
    if folder is None: return own - np.log(red_diameter(m, lab))[:, None]
    for g in np.unique(folder): own[folder == g] -= np.nanmedian(own[folder == g], axis=0)
    return own


class Density:
    "Logarithm of a density of each class, Student's t (a heavy tail: a nucleus may be found badly), classes weighing alike; 0 where nothing was measured."
    def __init__(self, s, y, tail=3):
        ok, self.tail, parts = np.isfinite(s).all(1), tail, []
        self.centre = np.array([np.median(s[ok & (y == c)], axis=0) for c in range(y.max() + 1)])
        for c, middle in enumerate(self.centre):
            r = s[ok & (y == c)] - middle
            parts.append(np.cov(r[(abs(r) < 3*np.median(abs(r), axis=0)/.67 + .3).all(1)].T))
        self.inverse = np.linalg.inv(np.mean(parts, axis=0).reshape(s.shape[1], -1))
    def __call__(self, s):
        d = s[:, None] - self.centre
        out = -(self.tail + 1)/2*np.log1p(np.einsum('nci,ij,ncj->nc', d, self.inverse, d)/self.tail)
        return np.where(np.isfinite(s).all(1)[:, None], out, 0)
    def offset(self, s, logits):
        "What has to be taken from all sizes of a folder so that they fit the network's own probabilities: a weighted median."
        p, out = softmax(logits.astype(float)).ravel(), []
        for j in range(s.shape[1]):
            r = (s[:, j, None] - self.centre[:, j]).ravel()
            order = np.argsort(r)
            out.append(r[order][np.cumsum(p[order]).searchsorted(p.sum()/2)])
        return np.array(out)


def gain(before, after, t, groups=GROUPS, draws=1000):
    "Difference in balanced recall with its interval: patients (where they are known) or cells are drawn again."
    y, group, rows, r = codes(t), group_names(t), [], np.random.default_rng(SEED)
    for g in groups:
        k = np.flatnonzero(group == g)
        unit = pd.factorize(t['patient'].iloc[k].where(t['patient'].iloc[k].notna(), pd.Series(k.astype(str), t.index[k])))[0]
        keep = [c for c in range(len(d.CLASSES)) if (y[k] == c).sum() >= 10]
        def table(v): return np.stack([np.bincount(unit, v*(y[k] == c), unit.max() + 1) for c in keep])
        n, change = table(np.ones(len(k))), table((after[k].argmax(1) == y[k]).astype(float) - (before[k].argmax(1) == y[k]))
        w = r.multinomial(unit.max() + 1, np.full(unit.max() + 1, 1/(unit.max() + 1)), draws)
        drawn = (w@change.T/np.maximum(w@n.T, 1)).mean(1)
        rows.append(dict(laboratory=g, gain=(change.sum(1)/n.sum(1)).mean(), gain_low=np.quantile(drawn, .025), gain_high=np.quantile(drawn, .975)))
    return pd.DataFrame(rows).round(3)


def standard(train, x):
    "Columns with the spread of the training rows; where nothing was measured, their mean."
    mean, std = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
    return np.nan_to_num((x - mean)/np.maximum(std, 1e-3))


def regression(x, y, rest, C=.01):
    model = LogisticRegression(C=C, max_iter=300, class_weight='balanced', random_state=SEED).fit(x, y)
    return model.decision_function(rest)


def separation(s, t):
    "AUROC of the size of the nucleus, lymphocyte against myeloblast, and the threshold at which both err equally."
    y, place, rows = codes(t), np.where(t['set'].eq('jhu'), group_names(t), 'wbc5 and barcelona'), []
    for g in ('wbc5 and barcelona', 'jhuA', 'jhuB'):
        for kind, size in zip(('nucleus', 'cell'), s.T):
            k = (place == g) & np.isin(y, (BLAST, LYMPHOCYTE)) & np.isfinite(size) & t['set'].ne('bccd').to_numpy() & t['set'].ne('zheng').to_numpy()
            b = y[k] == BLAST
            fpr, tpr, cuts = roc_curve(b, size[k])
            boot = np.random.default_rng(SEED)
            n0, n1 = size[k][~b], size[k][b]
            draws = [roc_auc_score(np.r_[np.zeros(len(n0)), np.ones(len(n1))], np.r_[boot.choice(n0, len(n0)), boot.choice(n1, len(n1))]) for _ in range(500)]
            rows.append(dict(laboratory=g, size=f'{kind} in red cells', cells=k.sum(), auroc=roc_auc_score(b, size[k]), low=np.quantile(draws, .025),
                             high=np.quantile(draws, .975), threshold=np.exp(cuts[abs(fpr - (1 - tpr)).argmin()])))
    return pd.DataFrame(rows).round(3)


def chosen(tables):
    "The model best on half A and Zheng, counting alike."
    def value(t): return t.set_index('laboratory')['balanced'][['jhuA', 'zheng']].mean()
    return max(tables, key=value)


def in_barcelonas_pixels(m, t):
    "Logarithms of the diameters of nucleus and cell; the two training laboratories brought to one scale by their red cells; BCCD's is unknown."
    s, lab = np.log(np.maximum(m[:, [MEASURES.index('nucleus'), MEASURES.index('cell')]], 1)), t['lab'].to_numpy()
    for g in ('barcelona', 'munich'): s[lab == g] -= np.log(np.nanmedian(m[lab == g, MEASURES.index('red')]))
    s[lab == 'bccd'] = np.nan
    return s


def by_folder(density, s, logits, folder):
    "Densities where each folder's offset is taken from its sizes."
    out = np.zeros_like(logits)
    for g in np.unique(folder):
        k = folder == g
        out[k] = density(s[k] - density.offset(s[k], logits[k]))
    return out


def main():
    t, n, found, _ = outputs(arguments(__doc__).parse_args().work)
    y, J, lab = codes(t), t.iloc[n:], t['lab'].to_numpy()
    m, logits = found['measures'], found['clean']['logits'].astype(float)
    red = sizes(m, lab)
    separation(red, t).to_csv(OUT/'size_auroc.csv', index=False)
    print(separation(red, t).to_string())
    folder, z = np.where(t['set'].isin(['wbc5', 'barcelona']), lab, lab + t['half']), logits[n:]/TEMPERATURE
    tables = [judged(z, J, 'as shipped')]
    def tried(name, density):
        tries = [judged(z + w*density, J, f'{name}, weight {w}').merge(gain(z, z + w*density, J)) for w in WEIGHTS]
        tables.append(chosen(tries))
    for name, s in (('in red cells', red), ('in red cells, nucleus alone', red[:, :1]), ("in the folder's median", sizes(m, lab, folder))):
        tried(f'size {name}', Density(s[:n], y[:n])(s[n:]))
    s = in_barcelonas_pixels(m, t)
    shape = np.c_[s, np.log(1.02 - np.minimum(m[:, MEASURES.index('solidity')], 1))]
    for name, v in (('size', s), ('size of the nucleus', s[:, :1]), ('size and solidity', shape)):
        tried(f"{name}, the folder's offset fitted to the network's answers", by_folder(Density(v[:n], y[:n]), v[n:], z, folder[n:]))
    more = np.c_[red, m[:, [MEASURES.index(k) for k in ('solidity', 'rough', 'blue')]]]
    extra = standard(more[:n], more)
    tables.append(judged(regression(extra[:n], y[:n], extra[n:], 1), J, 'measures alone, regression'))
    x = np.concatenate([found['clean']['x'], found['view0']['x'], found['view1']['x']])
    for name, rows, labels in (('clean', np.r_[:n], y[:n]), ('views', np.r_[len(t):len(x)], np.r_[y[:n], y[:n]])):
        tries = {key: [] for key in ('', ' and measures', ' and sizes')}
        for C in (.001, .01, .1):
            z, repeat = standard(x[rows], x)/10, len(rows)//n
            for key, add in ('', None), (' and measures', extra), (' and sizes', extra[:, :2]):
                a, b = (z[rows], z[n:len(t)]) if add is None else (np.c_[z[rows], np.tile(add[:n], (repeat, 1))], np.c_[z[n:len(t)], add[n:]])
                tries[key].append(judged(regression(a, labels, b, C), J, f'features ({name}){key}, regression, C {C}'))
        tables += [chosen(v) for v in tries.values()]
    out = pd.concat(tables)
    out.to_csv(OUT/'size.csv', index=False)
    print(out[out['laboratory'] != 'home'].drop(columns=['normal_called_blast', 'lymphocytes']).to_string())


if __name__ == '__main__': main()
