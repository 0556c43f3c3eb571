"""How much better than colours alone is a network on the four classes (`ball4`), and how many patients could the images come from?

    BLOOD_CELLS_DATA=folder python benchmarks/ball4_folds.py --work runs/ball4

The scale bar is masked for every model. Five folds, pooled, four ways to draw them: by image, by groups of duplicates and overlapping
fields, by blocks of 25 consecutive file numbers, and by fifths of each class's file numbers (patients are not published; images of one
patient have neighbouring numbers). Writes ball4_folds.csv, ball4_blocks.csv and ball4_learning.csv to nbs/studies/results.
"""
import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.core.io import SEED, read_image
from blood_cell_cancer.data.audit.duplicates import find_duplicates
from blood_cell_cancer.data.audit.overlaps import find_overlaps, group_images
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.preprocess import make_preprocess
from blood_cell_cancer.data.splits import folds
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.nets import build_net
from blood_cell_cancer.models.weights import find_weights
from blood_cell_cancer.use.export import onnx_session

OUT = Path(__file__).parents[1]/'nbs'/'studies'/'results'
BAR = 'mask:0.821,0.893,1,1' # where the audit finds the scale bar
LOOKS = {'as it is': (BAR,), 'stain normalised': (BAR, 'reinhard'), 'grey, normalised': (BAR, 'reinhard', 'grey')}
K = 5


class Levels(torch.nn.Module):
    "Means and spreads of the channels after every stage of an EfficientNet, from pixels 0 to 255; the last means are the usual features."
    def __init__(self, body, mean, std):
        super().__init__()
        self.body, self.mean, self.std = body, *(torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))
    def forward(self, x):
        b, out = self.body, []
        x = b.bn1(b.conv_stem((x/255 - self.mean)/self.std))
        for stage in b.blocks:
            x = stage(x)
            out += [x.mean((2, 3)), x.var((2, 3), correction=0).sqrt()]
        return torch.cat([*out[2:], b.bn2(b.conv_head(x)).mean((2, 3))], 1)


def network(name):
    "A backbone with ImageNet weights, or the network of a shipped bundle."
    if name in ('wbc5', 'differential'):
        model = load_model(name)
        return Levels(model.net.body, model.mean, model.std).eval()
    w = find_weights(name)
    return Levels(build_net(recipe('demo', backbone=name), 2, w).body, w.mean, w.std).eval()


def kept(file, make):
    if not file.exists():
        np.save(file, make())
        print(file.name, flush=True)
    return np.load(file)


def picture(path, look):
    "The image without its scale bar."
    img = read_image(path)
    for f in make_preprocess([s for s in LOOKS[look] if s != 'grey']): img = f(img)
    return img.convert('L').convert('RGB') if 'grey' in LOOKS[look] else img


def levels(name, images, work, turned, look='as it is'):
    "Features of every image, as it is or turned by 180 degrees."
    def make():
        net, file = network(name), work/f'{name}.onnx'
        torch.onnx.export(net, torch.zeros(1, 3, 224, 224), str(file), input_names=['x'], output_names=['y'], dynamo=False)
        session, out = onnx_session(file, threads=1), []
        for p in images['path']:
            x = np.asarray(picture(p, look).resize((224, 224), Image.BILINEAR), np.float32)
            out.append(session.run(None, {'x': np.ascontiguousarray((x[::-1, ::-1] if turned else x).transpose(2, 0, 1))[None]})[0][0])
        return np.array(out, np.float32)
    return kept(work/f'{name}{"_turned" if turned else ""}{"" if look == "as it is" else "_" + look.replace(", ", "_").replace(" ", "_")}.npy', make)


def simple(images, look):
    "Colour histograms (48 bins) of the image and of its 12-pixel border, and the image in 8x8 pixels, side by side."
    def row(p):
        a = np.asarray(picture(p, look))
        m = 12
        frame = np.concatenate([v.reshape(-1, 3) for v in (a[:m], a[-m:], a[:, :m], a[:, -m:])])
        return np.concatenate([*(np.histogram(v[:, c], 16, (0, 256))[0]/len(v) for v in (a.reshape(-1, 3), frame) for c in range(3)),
                               np.asarray(Image.fromarray(a).resize((8, 8))).ravel()])
    return np.array([row(p) for p in images['path']], np.float32)


def file_numbers(images): return images['name'].str.extract(r'(\d+)\D*$')[0].astype(int).to_numpy()


def all_folds(images):
    "The fold of each image (-1: a byte-identical file), for each way to draw them."
    out = {f'by {b}': folds(images, K, b).to_numpy() for b in ('image', 'group', 'block')}
    rank = pd.Series(file_numbers(images)).groupby(images['label'].to_numpy(), observed=True).rank(pct=True).to_numpy()
    out['by fifths of the file numbers'] = np.where(out['by block'] < 0, -1, np.minimum((rank*K).astype(int), K - 1))
    return out


def forest(): return ExtraTreesClassifier(300, min_samples_leaf=1, random_state=SEED)


def linear(C=.01): return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=500))


def pooled(make, x, y, fold, turned=None): # probabilities of each image by the model that has not seen its fold
    "With `turned`, the same images turned by 180 degrees train as well, and the mean of both is predicted."
    p = np.full((len(y), y.max() + 1), np.nan)
    for i in range(K):
        fit, test = (fold != i) & (fold >= 0), fold == i
        a, b = (x[fit], y[fit]) if turned is None else (np.r_[x[fit], turned[fit]], np.r_[y[fit], y[fit]])
        model = make().fit(a, b)
        p[test] = model.predict_proba(x[test]) if turned is None else (model.predict_proba(x[test]) + model.predict_proba(turned[test]))/2
    return p


def blocks_of(images, size=25):
    "Runs of consecutive file numbers within a class: the units of a bootstrap."
    rank = pd.Series(file_numbers(images)).groupby(images['label'].to_numpy(), observed=True).rank(method='first').astype(int).to_numpy() - 1
    return images['label'].astype(str).to_numpy() + np.char.add(':', (rank//size).astype(str)).astype(object)


def row(name, how, p, y, fold, unit, classes, base):
    "Figures of a model; `base` holds the probabilities of the colour histogram, the best baseline, on the same images."
    ok = fold >= 0
    right = p[ok].argmax(1) == y[ok]
    more = right.astype(int) - (base[ok].argmax(1) == y[ok])
    u = pd.factorize(unit[ok])[0]
    r = np.random.default_rng(SEED).multinomial(u.max() + 1, np.full(u.max() + 1, 1/(u.max() + 1)), 2000)
    drawn = r@np.bincount(u, right)/(r@np.bincount(u))
    out = dict(folds=how, model=name, right=right.sum(), images=len(right), accuracy=right.mean(), **dict(zip(('low', 'high'), wilson(int(right.sum()), len(right)))),
               block_low=np.quantile(drawn, .025), block_high=np.quantile(drawn, .975))
    ahead = r@np.bincount(u, more)/(r@np.bincount(u))
    out |= dict(over_histogram=more.mean(), over_low=np.quantile(ahead, .025), over_high=np.quantile(ahead, .975))
    # How many times as wide as that of independent images the interval is, squared.
    out['design_effect'] = drawn.var()/max(right.mean()*(1 - right.mean())/len(right), 1e-12)
    k = y[ok] == classes.index('benign')
    return out | dict(benign_right=right[k].sum(), benign=k.sum(), benign_recall=right[k].mean(), **dict(zip(('benign_low', 'benign_high'), wilson(int(right[k].sum()), int(k.sum())))))


def kinship(x, images, fold, lags=(1, 2, 3, 5, 10, 20, 40, 80, 160)):
    "How much more alike the colours of two images of a class are (cosine) than those of any two, by the distance of their file numbers."
    z = StandardScaler().fit_transform(x)
    z = z/np.linalg.norm(z, axis=1, keepdims=True)
    number, rows = file_numbers(images), []
    for c in images['label'].cat.categories:
        k = np.flatnonzero((images['label'] == c) & (fold >= 0))
        k = k[np.argsort(number[k])]
        usual = (z[k]@z[k].T)[np.triu_indices(len(k), 1)].mean()
        rows += [dict(label=c, images=len(k), lag=lag, similarity=(z[k[:-lag]]*z[k[lag:]]).sum(1).mean() - usual) for lag in lags]
    return pd.DataFrame(rows).round(4)


def learning(make, x, y, fold, unit, shares=(.05, .1, .2, .4, .7, 1.)):
    "Accuracy with a share of the training blocks, and with as many images drawn from all blocks."
    rows = []
    for share in shares:
        for how in ('whole blocks', 'images of all blocks'):
            right = n = used = 0
            for i in range(K):
                fit, r = np.flatnonzero((fold != i) & (fold >= 0)), np.random.default_rng([SEED, i])
                names = pd.unique(unit[fit])
                order = np.concatenate([r.permutation([u for u in names if u.startswith(c)])[:max(1, round(share*sum(u.startswith(c) for u in names)))] for c in sorted({u.split(':')[0] + ':' for u in names})])
                own = fit[np.isin(unit[fit], order)]
                if how != 'whole blocks': own = np.concatenate([r.permutation(fit[y[fit] == c])[:(y[own] == c).sum()] for c in range(y.max() + 1)])
                test = fold == i
                right, n, used = right + (make().fit(x[own], y[own]).predict(x[test]) == y[test]).sum(), n + test.sum(), used + len(own)/K
            low, high = wilson(int(right), int(n))
            rows.append(dict(share=share, training=how, images=round(used), accuracy=right/n, low=low, high=high))
    return pd.DataFrame(rows).round(4)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', type=Path, default=Path('runs/ball4'))
    a.add_argument('--networks', nargs='*', default=['efficientnet_lite0', 'mobilenetv2', 'wbc5'])
    a = a.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    images = load_images('ball4')
    groups = kept(a.work/'groups.npy', lambda: group_images(images, find_duplicates(images, progress=False), find_overlaps(images, n_jobs=1, progress=False))['group'].to_numpy(str))
    images, y, classes = images.assign(group=groups), images['label'].cat.codes.to_numpy().astype(int), list(images['label'].cat.categories)
    unit, every, rows = blocks_of(images), all_folds(images), []
    s = {k: kept(a.work/f'simple_{i}.npy', lambda k=k: simple(images, k)) for i, k in enumerate(LOOKS)}
    x = {n: [levels(n, images, a.work, t) for t in (False, True)] for n in a.networks}
    first = {k: [levels(a.networks[0], images, a.work, t, k) for t in (False, True)] for k in LOOKS}
    both = [np.concatenate([v[t] for v in x.values()], 1) for t in (0, 1)]
    for how, fold in every.items():
        base: dict = {}
        def add(name, make, v, turned=None, look='as it is', how=how, fold=fold, base=base):
            p = pooled(make, v, y, fold, turned)
            base.setdefault(look, p) # the histogram comes first
            rows.append(dict(look=look) | row(name, how, p, y, fold, unit, classes, base[look]))
            print(how, look, name, rows[-1]['right'], rows[-1]['images'], rows[-1]['benign_right'], flush=True)
        for look in LOOKS:
            for name, part in ('colour histogram', slice(0, 48)), ('border of 12 pixels', slice(48, 96)), ('8x8 pixels', slice(96, None)):
                add(f'{name}, forest', forest, s[look][:, part], look=look)
            add(f'{a.networks[0]}: all stages, linear', linear, *first[look], look=look)
        for name, (v, w) in x.items():
            add(f'{name}: last features, linear', linear, v[:, -1280:])
            if name != a.networks[0]: add(f'{name}: all stages, linear', linear, v, w)
        add('all networks and stages, linear', linear, *both)
        pd.DataFrame(rows).round(4).to_csv(OUT/'ball4_folds.csv', index=False)
    kinship(s['as it is'][:, :48], images, every['by image']).to_csv(OUT/'ball4_blocks.csv', index=False)
    learning(linear, x[a.networks[0]][0], y, every['by fifths of the file numbers'], unit).to_csv(OUT/'ball4_learning.csv', index=False)


if __name__ == '__main__': main()
