"""Train eight classes on licensed images of three laboratories, and fit abstention on laboratories that did not train.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen.py --work runs/unseen

Starts from the five-class bundle that comes with the package (trained on wbc5 alone): its frozen part makes activations of random
views, and what lies behind the cut learns eight classes. Steps that are done are not repeated. See nbs/studies/01_unseen_laboratories.
"""
import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import unseen_views as d
from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.nets import CutNet
from blood_cell_cancer.models.uncertainty import Uncertainty, bank_rows, fit_temperature, knn_score, unit
from blood_cell_cancer.use.export import onnx_session


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', default='runs/differential')
    a.add_argument('--views', type=int, default=2)
    a.add_argument('--steps', type=int, default=600)
    a.add_argument('--each', type=int, default=500)
    a.add_argument('--without', nargs='*', default=[], help='laboratories that do not train, for leave-one-out')
    a.add_argument('--init', default='', help='weights to start from')
    a.add_argument('--lr', type=float, default=3e-4)
    return a.parse_args()


def start():
    "The five-class model, and the eight-class network: its frozen layers under a fresh linear head."
    old = load_model('wbc5')
    torch.manual_seed(0)
    net = CutNet(old.recipe.backbone, len(d.CLASSES), old.recipe.cut, 'linear', **old.build)
    net.body.load_state_dict(old.net.body.state_dict())
    torch.nn.init.normal_(net.head[0].weight, std=.01)
    return old, net.eval()


def prefix_session(net, file):
    "The frozen part for ONNX Runtime, which is two to four times as fast as torch."
    if not file.exists():
        frozen = torch.nn.Sequential(*(m for m, _ in net.pieces()[:net.cut_at()])).eval()
        torch.onnx.export(frozen, torch.zeros(1, 3, 224, 224), str(file), input_names=['x'], output_names=['y'],
                          dynamic_axes={'x': {0: 'n'}, 'y': {0: 'n'}}, dynamo=False)
    return onnx_session(file, threads=1)


@torch.inference_mode()
def outputs(net, z, batch=128):
    "Features and logits from activations at the cut."
    features, logits = [], []
    for i in range(0, len(z), batch):
        x = torch.from_numpy(np.asarray(z[i:i + batch], np.float32)).contiguous(memory_format=torch.channels_last)
        for _, f in net.pieces()[net.cut_at():]: x = f(x)
        features.append(x.numpy())
        logits.append(net.head(x).numpy())
    return np.concatenate(features), np.concatenate(logits)


def group_names(t): return np.where(t['set'].isin(['wbc5', 'barcelona']), 'home', t['lab'] + t['half'])


def figures(logits, t, answered=None)->pd.DataFrame:
    "One row per laboratory and class: recalled, answered, right where answered, called myeloblast with an answer."
    said, y, group, rows = np.array(d.CLASSES)[logits.argmax(1)], t['label'].to_numpy(), group_names(t), []
    answered = np.ones(len(t), bool) if answered is None else answered
    for g in pd.unique(group):
        for c in ('all', *sorted(set(y[group == g]))):
            k = (group == g) & ((y == c) | (c == 'all'))
            right, n = said[k] == y[k], k.sum()
            low, high = wilson(int(right.sum()), int(n))
            a = answered[k]
            rows.append(dict(laboratory=g, label=c, cells=n, right=right.sum(), recall=right.mean(), low=low, high=high, answered=a.mean(),
                             right_where_answered=right[a].mean() if a.any() else np.nan,
                             called_myeloblast_with_answer=(a & (said[k] == 'myeloblast')).mean()))
    return pd.DataFrame(rows).round(4)


def summary(logits, t)->str:
    from sklearn.metrics import roc_auc_score
    f, p, group, out = figures(logits, t), torch.tensor(logits).softmax(1).numpy()[:, d.CLASSES.index('myeloblast')], group_names(t), []
    for g in pd.unique(group):
        rows = f[(f['laboratory'] == g) & (f['label'] != 'all') & (f['cells'] >= 10)]
        k = (group == g) & t['label'].isin(['myeloblast', *d.NORMAL]).to_numpy()
        b = t['label'].to_numpy()[k] == 'myeloblast'
        auc = f'{roc_auc_score(b, p[k]):.3f}' if b.any() else '-'
        out.append(f'{g:6s} balanced {rows["recall"].mean():.3f} blast AUROC {auc} | ' + ' '.join(f'{c[:6]} {v:.2f}' for c,
                v in zip(rows['label'], rows['recall'])))
    return '\n'.join(out)


def pictures(t, train)->tuple: # what the network sees of a row: in prediction; in the random view `v`
    "Functions that make the pictures of the rows of `t`; a view may take the style of a training cell of another laboratory."
    rows, where, labs = t['path'], {}, t['lab'].to_numpy()
    def at(j, a): return where.setdefault(j, d.place(a))
    def style(j):
        def other(r):
            k = int(r.choice(train[labs[train] != labs[j]]))
            b = d.pixels(rows[k])
            return d.cut_out(b, at(k, b))
        return other
    def random_view(v):
        def make(j):
            a = d.pixels(rows[j])
            return d.view(a, at(j, a), np.random.default_rng([12, v, j]), style=style(j))
        return make
    def clean(j):
        a = d.pixels(rows[j])
        return d.clean(a, at(j, a))
    return clean, random_view


def trained(a):
    "The network, the tables and the activations."
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    work = Path(a.work)
    work.mkdir(parents=True, exist_ok=True)
    train, judge = d.parts(t, a.each)
    old, net = start()
    session = prefix_session(net, work/'prefix.onnx')
    clean, random_view = pictures(t, train)
    z = d.cached(work/'judge.npy', judge, session, clean, old.mean, old.std)
    views = [d.cached(work/f'train{v}.npy', train, session, random_view(v), old.mean, old.std) for v in range(a.views)]
    R, J = t.loc[train].reset_index(drop=True), t.loc[judge].reset_index(drop=True)
    use = np.nonzero(~R['lab'].isin(a.without).to_numpy())[0]
    if a.init: net.load_state_dict(torch.load(a.init, weights_only=True))
    net.from_cut = True
    t0 = time.time()
    def report(n, step):
        print(f'step {step}, {time.time() - t0:.0f} s', flush=True)
        if step % 200 == 0: print(summary(outputs(n, z)[1], J), flush=True)
    done = Path(a.work)/f'net_{"_".join(a.without) or "all"}.pt'
    if done.exists(): net.load_state_dict(torch.load(done, weights_only=True))
    else: net = d.fit(net, [RowsOf(v, use) for v in views], R['label'].to_numpy()[use], R['lab'].to_numpy()[use], a.steps, lr=a.lr,
                      report=report)
    net.from_cut = False
    return net, R.iloc[use].reset_index(drop=True), J, z, views[0][use]


class RowsOf:
    "Some rows of a memory-mapped array, in another numbering."
    def __init__(self, z, rows): self.z, self.rows = z, rows
    def __getitem__(self, i): return self.z[self.rows[i]]
    def __len__(self): return len(self.rows)


def strictest(model_probs, ood, t, choose, right,
              blasts)->tuple: # tau of normal cells' classes, tau of the others, limit of the OOD score, share answered; or None
    """A second class above its tau forbids an answer. Answer as many cells as possible while, in every laboratory that chooses,
    answers are right and few normal cells are called myeloblast."""
    said, group, y = np.array(d.CLASSES)[model_probs.argmax(1)], group_names(t), t['label'].to_numpy()
    rest = model_probs.copy()
    rest[np.arange(len(rest)), rest.argmax(1)] = 0 # what speaks against the answer
    kind = np.isin(d.CLASSES, d.NORMAL)
    a, b = rest[:, kind].max(1), rest[:, ~kind].max(1)
    chooses = [(group == g, (group == g) & (said == 'myeloblast') & np.isin(y, d.NORMAL), (group == g) & np.isin(y, d.NORMAL))
               for g in choose]
    grid, hit, best = np.geomspace(.002, .6, 25), said == y, None
    for limit in np.quantile(ood[np.isin(group, choose)], [.3, .5, .7, .85, .95, 1]):
        for tau in grid:
            for other in grid:
                yes = (a < tau) & (b < other) & (ood <= limit)
                shares = [yes[k].mean() for k, _, _ in chooses]
                if min(shares) > (best[3] if best else 0) and all(hit[k & yes].mean() >= right
                                                                  and (wrong & yes).sum() < blasts*normal.sum() for k, wrong,
                                                                  normal in chooses):
                    best = tau, other, limit, min(shares)
    return best


def external_uncertainty(features, logits, own, keys, t, seen, choose=('jhuA', 'zheng'),
                          bank=300)->Uncertainty: # `seen`: features of what trained
    "Temperature, sets and limit of the OOD score fitted on laboratories that trained nothing."
    k = np.isin(group_names(t), choose)
    codes = np.array([d.CLASSES.index(c) for c in t['label']])
    T = float(fit_temperature(logits[k], codes[k]))
    probs = softmax(logits.astype(float)/T)
    arrays = dict(bank=unit(seen[bank_rows(own, keys, bank)]).astype(np.float16))
    ood = knn_score(features, arrays['bank'], 10)
    for right in (.95, .93, .9, .85, .8): # the promise, or the best that can be kept
        if found := strictest(probs, ood, t, choose, right, .05): break
    else: raise ValueError('no threshold keeps four of five answers right on the laboratories that choose')
    tau, other, limit, share = map(float, found)
    print(f'temperature {T:.2f}; right {right}: tau {tau:.3f} for normal classes, {other:.3f} for the others, limit {limit:.3f}; '
          f'at least {share:.2f} answered', flush=True)
    taus = tuple(1 - (tau if c in d.NORMAL else other) for c in d.CLASSES)
    return Uncertainty(d.CLASSES, T, right, 'lac', True, taus, 'knn', 10, limit, share, arrays,
                       dict(train=len(seen), validation=int(k.sum()), fitted_on=list(choose), right=right))


def main():
    a = arguments()
    net, R, J, z, z0 = trained(a)
    name = '_'.join(a.without) or 'all'
    features, logits = outputs(net, z)
    torch.save(net.state_dict(), Path(a.work)/f'net_{name}.pt')
    np.save(Path(a.work)/f'logits_{name}.npy', logits)
    np.save(Path(a.work)/f'features_{name}.npy', features)
    print(summary(logits, J), flush=True)
    own, keys = np.array([d.CLASSES.index(c) for c in R['label']]), R['path'].to_numpy()
    seen, _ = outputs(net, z0)
    uncertainty = external_uncertainty(features, logits, own, keys, J, seen)
    table = figures(logits, J, ~np.array(uncertainty.columns(logits, features)['abstained']))
    print(table[table['label'] == 'all'].to_string(), flush=True)
    table.to_csv(Path(a.work)/f'figures_{name}.csv', index=False)


if __name__ == '__main__': main()
