"""Recipes by laboratory: each laboratory is left out in turn and judged by models trained on the other three.

    BLOOD_CELLS_DATA=folder python benchmarks/unseen_left_out.py --weights FOLDER_OF_IMAGENET_WEIGHTS --work runs/left_out

Eight classes; the laboratories are Barcelona, Munich, the two of `other_labs` (BCCD and Zheng, counted as one) and Johns Hopkins, whose
cells train here and never train what is shipped. Nearly every recipe is logistic regression on the features of a frozen network with
ImageNet's weights, so that all of them can be tried with every laboratory left out, and with every two; those that train every layer take
minutes each and are not among the nested choices. Writes to nbs/studies/results:

left_out.csv             recipe x laboratory left out: balanced recall, and the gain over whole images, with their intervals
left_out_abstention.csv  how often the answers of the laboratory left out are right, with thresholds fitted on the other three
left_out_choice.csv      nested choice: the recipe that does best on three laboratories, judged on the fourth, whose cells had no part in the choice
"""
import argparse
import os
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import timm
import torch
import unseen_full as full
import unseen_views as d
from joblib import Parallel, delayed
from safetensors.torch import load_file
from shipped_outputs import codes, kept
from sklearn.linear_model import LogisticRegression
from torchvision.transforms import Normalize

from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.use.export import onnx_session

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
LABS = 'barcelona', 'munich', 'other_labs', 'johns_hopkins'
EACH, VIEWS, STRENGTH = 300, 2, .1 # images of a class and laboratory; random views of each, unless a recipe says how many; C of the logistic regression
NETS = dict(lite0=('tf_efficientnet_lite0', 'tf_efficientnet_lite0.in1k.fp16', 224, [127.5]*3, [127.5]*3), # timm's name, file, pixels, mean, std
            lite2=('tf_efficientnet_lite2', 'tf_efficientnet_lite2.in1k.fp16', 260, [127.5]*3, [127.5]*3),
            mobilenetv2=('mobilenetv2_100', 'mobilenetv2_100.deepsort_in1k.fp16', 224, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]))
STEPS = 400 # of 32 views, where every layer trains
BASE = 'whole image'


class Recipe(NamedTuple):
    "Features, one beside the other, of whole images or cells; and with them those of random views of the training cells."
    features: tuple
    views: str = '' # 'views', or 'styled' in the style of another laboratory
    number: int = VIEWS
    alike: bool = False # laboratories weigh alike, and not every cell


TIGHT = ('lite0 tight',)
RECIPES = {BASE: Recipe(('lite0 whole',)), 'whole image, Reinhard': Recipe(('lite0 whole_reinhard',)), 'cell cut out': Recipe(('lite0 cell',)),
           'cell cut out, Reinhard': Recipe(('lite0 cell_reinhard',)), 'the same, .8 of the square': Recipe(TIGHT),
           'the same, one square for all cells of a folder': Recipe(('lite0 folder',)), 'the same .8, MobileNetV2': Recipe(('mobilenetv2 tight',)),
           'the same .8, EfficientNet-Lite2': Recipe(('lite2 tight',)), 'the same .8, with random views': Recipe(TIGHT, 'views'),
           'the same .8, with random views in the style of another laboratory': Recipe(TIGHT, 'styled'),
           'the same .8, laboratories weighing alike': Recipe(TIGHT, alike=True),
           'whole image and .8 of the square, side by side': Recipe(('lite0 whole', *TIGHT)),
           'Lite0 and Lite2 on both, side by side': Recipe(('lite0 whole', *TIGHT, 'lite2 whole', 'lite2 tight')),
           # These were thought of with the table of those above in sight.
           'the same .8, with eight random views': Recipe(TIGHT, 'views', 8),
           'the same .8, MobileNetV2, with random views': Recipe(('mobilenetv2 tight',), 'views'),
           'the same .8, EfficientNet-Lite2, with random views': Recipe(('lite2 tight',), 'views')}
MEANS = {'mean of the three networks with random views': ['the same .8, with random views', *list(RECIPES)[-2:]]} # of their probabilities
ABSTAINS = 'the same .8, with eight random views'
EVERY = 'every layer of Lite0 trained on random views'
BACKGROUND = f'{EVERY}, the background a neutral grey and no Reinhard'
TRAINED = {EVERY: dict(), f'{EVERY} in the style of another laboratory': dict(style=True), # settings of unseen_full.py
           f'{EVERY}, at 224 pixels': dict(size=224), f'{EVERY}, allowing for the classes of each laboratory': dict(allow=True),
           BACKGROUND: dict(colour='background'), f'{BACKGROUND}, styles of early layers mixed': dict(colour='background', mixed=True)}


def sample(data):
    "At most `EACH` cells of a class and laboratory, with the columns `place` (one of `LABS`) and `folder` (images of one scale)."
    t = d.image_table(data)
    k = t.sample(frac=1, random_state=SEED).groupby(['lab', 'label']).head(EACH).index.sort_values()
    t = t.loc[k].reset_index(drop=True)
    t['place'] = t['lab'].replace({'jhu': 'johns_hopkins', 'bccd': 'other_labs', 'zheng': 'other_labs'})
    zheng = t['path'].map(lambda p: Path(p).name[:2]) # two collections, named d1 and d2, of different magnification
    return t.assign(folder=t['lab'] + np.where(t['lab'] == 'zheng', zheng, ''))


def body(net, weights):
    "A network that gives features from pixels 0 to 255."
    name, file, size, mean, std = NETS[net]
    m = timm.create_model(name, num_classes=0)
    m.load_state_dict({k: v.float() for k, v in load_file(weights/f'{file}.safetensors').items() if not k.startswith('classifier.')})
    return torch.nn.Sequential(Normalize(mean, std), m).eval(), size


def pictures(t, kind, size):
    "A function that makes the picture of row `j`; for random views a tuple of picture and the row whose style it took (-1: none)."
    at = [d.place(d.pixels(p)) for p in t['path']] if kind == 'folder' else None
    sides = pd.Series([s for *_, s in at]).groupby(t['folder']).transform('median') if at else None
    data = full.Views(t, np.arange(len(t)), size, 1, SEED)
    def make(j):
        a = d.pixels(t['path'][j])
        if kind.startswith('whole'): return d.cut_out(d.recolour(a) if 'reinhard' in kind else a, (len(a)/2, len(a)/2, len(a)), size)
        if kind == 'cell': return d.cut_out(a, d.place(a), size)
        if kind == 'folder': return d.clean(a, (*at[j][:2], sides[j]), size)
        if kind in ('cell_reinhard', 'tight'): return d.clean(a, d.place(a), size, .8 if kind == 'tight' else 1.)
        what, v = kind.split()
        r, donor = np.random.default_rng([SEED, int(v), j]), [-1]
        def style(r):
            donor[0] = int(r.choice(np.flatnonzero(data.labs != data.labs[j])))
            b = d.pixels(t['path'][donor[0]])
            return d.cut_out(b, d.place(b), size)
        return d.view(a, d.place(a), r, size, style if what == 'styled' else None, scale=.8), donor[0]
    return make


def features(t, net, kind, work, weights): # x (n, d), donor (n,)
    "Features of every row, computed once."
    def make():
        m, size = body(net, weights)
        file = work/f'{net}_{kind}.onnx'.replace(' ', '_')
        torch.onnx.export(m, torch.zeros(1, 3, size, size), str(file), input_names=['x'], output_names=['y'], dynamo=False)
        session, picture, rows, donors = onnx_session(file, threads=1), pictures(t, kind, size), [], []
        for j in range(len(t)):
            x = picture(j)
            x, donor = x if isinstance(x, tuple) else (x, -1)
            rows.append(session.run(None, {'x': x.astype(np.float32).transpose(2, 0, 1)[None]})[0][0])
            donors.append(donor)
        file.unlink()
        return dict(x=np.array(rows, np.float16), donor=np.array(donors))
    f = kept(work/f'{net}_{kind}.npz'.replace(' ', '_'), make)
    return f['x'], f['donor']


def fitted(t, r, found, out):
    "Logits of the rows of the laboratories `out` by a model trained on the others; -inf for the rows that trained and for classes that did not train."
    x, trains = np.concatenate([found[p][0] for p in r.features], 1).astype(np.float32), ~t['place'].isin(out).to_numpy()
    rows, more = [x[trains]], [np.flatnonzero(trains)]
    for v in range(r.number) if r.views else ():
        z, donor = found[f'{r.features[0].split()[0]} {r.views} {v}']
        k = np.flatnonzero(trains & ((donor < 0) | trains[donor])) # no style of a laboratory that is left out
        rows.append(z[k].astype(np.float32))
        more.append(k)
    a, k, y, weight = np.concatenate(rows), np.concatenate(more), codes(t), None
    mean, spread = a.mean(0), a.std()*np.sqrt(a.shape[1])/10
    if r.alike:
        cells = pd.Series(list(zip(t['label'].to_numpy()[k], t['lab'].to_numpy()[k])))
        weight = (cells.map(d.drawing_weights(*zip(*cells)))/cells.map(cells.value_counts())*len(k)).to_numpy()
    model = LogisticRegression(C=STRENGTH, max_iter=300, class_weight=None if r.alike else 'balanced').fit((a - mean)/spread, y[k], sample_weight=weight)
    logits = np.full((len(t), len(d.CLASSES)), -np.inf)
    logits[np.ix_(~trains, model.classes_)] = model.decision_function((x[~trains] - mean)/spread)
    return logits


def every_layer(t, lab, settings, work, weights):
    "As `fitted`, with all layers trained as those of the shipped network, for fewer steps."
    name, file, *_ = NETS['lite0']
    kind = '_'.join(['styled' if settings.get('style') else 'plain', *(str(v) if k in ('colour', 'size') else k for k, v in settings.items() if k != 'style')])
    place, trains = work/f'trained_{lab}_{kind}', np.flatnonzero(t['place'] != lab)
    place.mkdir(parents=True, exist_ok=True)
    def make():
        a = full.parser().parse_args(['--weights', str(weights/f'{file}.safetensors'), '--work', str(place), '--steps', str(STEPS)])
        vars(a).update(dict(backbone=name, threads=1, scale=.8, seed=SEED, style=False) | settings)
        net = full.train(a, t, trains, lambda net, step, loss: print(lab, kind, step, round(loss, 3), flush=True))
        rest = np.flatnonzero(t['place'] == lab)
        logits = np.full((len(t), len(d.CLASSES)), -np.inf)
        logits[rest] = full.logits_of(net, full.clean_pictures(t, rest, a.size, .8, a.colour))
        return dict(logits=logits)
    return kept(place/'logits.npz', make)['logits']


def balanced(right, y, unit, draws=1000):
    "Mean over classes of ten cells or more of the mean of `right`, and its interval: patients (or cells) are drawn again."
    u = pd.factorize(unit)[0]
    keep = [c for c in range(len(d.CLASSES)) if (y == c).sum() >= 10]
    def table(v): return np.stack([np.bincount(u, v*(y == c), u.max() + 1) for c in keep])
    n, hit = table(np.ones(len(y))), table(right.astype(float))
    w = np.random.default_rng(SEED).multinomial(u.max() + 1, np.full(u.max() + 1, 1/(u.max() + 1)), draws)
    drawn = (w@hit.T/np.maximum(w@n.T, 1)).mean(1)
    return (hit.sum(1)/n.sum(1)).mean(), *np.quantile(drawn, [.025, .975])


def judge(t, right, base, lab):
    "Balanced recall in a laboratory, and the gain over the baseline, with their intervals."
    k = (t['place'] == lab).to_numpy()
    y, unit = codes(t)[k], t['patient'].where(t['patient'].notna(), t.index.to_series().astype(str)).to_numpy()[k]
    value, gain = balanced(right[k], y, unit), balanced(right[k].astype(int) - base[k], y, unit)
    return dict(zip(('balanced', 'low', 'high', 'gain', 'gain_low', 'gain_high'), (*value, *gain)))


def choices(t, right):
    """The recipe that is best on the mean of the laboratories but one, judged on that one. It is chosen with models that have seen neither the
    laboratory that they are judged on nor that one; a class that is left without cells counts as recalled in 0 %, for every recipe."""
    y, rows = codes(t), []
    def score(name, out, lab):
        k = (t['place'] == lab).to_numpy()
        return balanced(right[name, out][k], y[k], np.arange(k.sum()), 1)[0]
    for lab in LABS:
        mean = {name: np.mean([score(name, tuple(v for v in LABS if v in (lab, other)), other) for other in LABS if other != lab]) for name in (*RECIPES, *MEANS)}
        best = max(mean, key=mean.get)
        rows.append(dict(laboratory=lab, chosen=best, mean_where_chosen=mean[best], **judge(t, right[best, (lab,)], right[BASE, (lab,)], lab)))
    return pd.DataFrame(rows)


def threshold(p, right, lab, promise, each):
    "The least probability from which on answers are right: in the laboratories together, counting alike, or in each of them; above 1 if none is."
    order = np.argsort(-p)
    hits, names = right[order], lab[order]
    shares = np.array([np.cumsum((names == g)*hits)/np.maximum(np.cumsum(names == g), 1) for g in np.unique(lab)]) # right of the answers, by laboratory
    weight = sum((names == g)/(names == g).sum() for g in np.unique(lab))
    good = (shares >= promise).all(0) if each else np.cumsum(weight*hits)/np.cumsum(weight) >= promise
    good[:19] = False # fewer answers say nothing
    return p[order][np.flatnonzero(good)[-1]] if good.any() else 2.


def abstention(t, logits, name):
    "Thresholds fitted on three laboratories, each judged by a model that has seen neither it nor the fourth; judged on the fourth."
    y, place, rows = codes(t), t['place'].to_numpy(), []
    normal, blast = t['label'].isin(d.NORMAL).to_numpy(), d.CLASSES.index('myeloblast')
    for promise, each, lab in ((p, e, lab) for p in (.9, .95) for e in (False, True) for lab in LABS):
        found = [(place == g, logits[name, tuple(v for v in LABS if v in (g, lab))]) for g in LABS if g != lab]
        p, said = (np.concatenate(v) for v in zip(*[(softmax(z[k]).max(1), z[k].argmax(1)) for k, z in found]))
        least = threshold(p, said == np.concatenate([y[k] for k, _ in found]), np.concatenate([place[k] for k, _ in found]), promise, each)
        k = place == lab
        z = logits[name, (lab,)][k]
        yes, said = softmax(z).max(1) >= least, z.argmax(1)
        right, wrong = (said == y[k])[yes], (yes & (said == blast))[normal[k]]
        rows.append(dict(left_out=lab, recipe=name, promise=promise, fitted='in each of the three' if each else 'in the three together', cells=k.sum(),
                         answered=yes.mean(), right=right.sum(), right_where_answered=right.mean() if yes.any() else np.nan,
                         **dict(zip(('low', 'high'), wilson(int(right.sum()), int(yes.sum())))), normal_called_myeloblast=wrong.mean()))
    return pd.DataFrame(rows)


def write(t, right, logits):
    names = [n for n in (*RECIPES, *MEANS, *TRAINED) if (n, LABS[:1]) in right]
    rows = [dict(recipe=n, left_out=lab) | judge(t, right[n, (lab,)], right[BASE, (lab,)], lab) for n in names for lab in LABS]
    table, chosen = pd.DataFrame(rows).round(4), choices(t, right).round(4)
    table.to_csv(OUT/'left_out.csv', index=False)
    chosen.to_csv(OUT/'left_out_choice.csv', index=False)
    print(table.pivot_table(index='recipe', columns='left_out', values='balanced', sort=False).assign(mean=lambda v: v.mean(axis=1)).round(3).to_string())
    print(chosen.to_string())
    answers = abstention(t, logits, ABSTAINS).round(4)
    answers.to_csv(OUT/'left_out_abstention.csv', index=False)
    print(answers.to_string())


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', type=Path, default=Path('runs/left_out'))
    a.add_argument('--weights', type=Path, required=True, help='folder of safetensors files: ' + ', '.join(v[1] for v in NETS.values()))
    a.add_argument('--jobs', type=int, default=2)
    a.add_argument('--train', action='store_true', help='train every layer as well (sixteen runs of some minutes; finished ones are kept); else the tables have no rows for it')
    a = a.parse_args()
    t = sample(Path(os.environ['BLOOD_CELLS_DATA']))
    y = codes(t)
    print(t.groupby(['place', 'label']).size().unstack().to_string(), flush=True)
    names = sorted({p for r in RECIPES.values() for p in r.features} |
                   {f'{r.features[0].split()[0]} {r.views} {v}' for r in RECIPES.values() if r.views for v in range(r.number)})
    found = dict(zip(names, Parallel(a.jobs)(delayed(features)(t, *name.split(' ', 1), a.work, a.weights) for name in names)))
    jobs = [(name, out) for name in RECIPES for out in (*((v,) for v in LABS), *combinations(LABS, 2))]
    logits = dict(zip(jobs, Parallel(a.jobs, verbose=1)(delayed(fitted)(t, RECIPES[name], found, out) for name, out in jobs)))
    right = {job: z.argmax(1) == y for job, z in logits.items()}
    for name, parts in MEANS.items():
        for out in (out for n, out in jobs if n == BASE):
            k, right[name, out] = t['place'].isin(out).to_numpy(), np.zeros(len(t), bool)
            right[name, out][k] = sum(softmax(logits[p, out][k]) for p in parts).argmax(1) == y[k]
    runs = [(name, lab) for name in TRAINED for lab in LABS[::-1] if a.train]
    for (name, lab), z in zip(runs, Parallel(a.jobs, batch_size=1)(delayed(every_layer)(t, lab, TRAINED[name], a.work, a.weights) for name, lab in runs)):
        right[name, (lab,)] = z.argmax(1) == y
    write(t, right, logits)


if __name__ == '__main__': main()
