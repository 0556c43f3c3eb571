"""Make a bundle that comes with the package: half precision for torch, 8 bits for prediction (but for the first 12 convolutions, which suffer most by it), uncertainty fitted to the outputs of the 8-bit network.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/audit_figures.py wbc5 --source barcelona=basophil,erythroblast,monocyte munich=myeloblast,seg_neutrophil
    blood-cells split --data wbc5 --groups runs/audit/wbc5/audit.groups.csv --out runs/wbc5.csv
    python benchmarks/real_runs.py wbc5 --split runs/wbc5.csv --recipe wbc5_microscopes --views 5 --preprocess "crop:cell reinhard" --run runs/wbc5
    python benchmarks/ship.py runs/wbc5/model.bundle wbc5 --split runs/wbc5.csv --audit runs/audit/wbc5/audit.json --external other_labs

Adds rows to nbs/tutorials/results/shipped.csv: what the 8 bits cost, and how the shipped file does at home and in other laboratories.
"""
import argparse
import json
import os
import shutil
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from ship_report import put_report

from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.core.tables import readable
from blood_cell_cancer.data.splits import apply_split
from blood_cell_cancer.models.uncertainty import uncertainty_of
from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.evaluate.external import laboratories
from blood_cell_cancer.models.bundle import SHIPPED, load_model, save_bundle
from blood_cell_cancer.use.export import export_onnx, quantise
from blood_cell_cancer.use.stream import open_onnx

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'shipped.csv'
KNOWN = {'neutrophil': 'seg_neutrophil'} # names of other laboratories


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('bundle')
    a.add_argument('data')
    a.add_argument('--split', required=True)
    a.add_argument('--audit', required=True, help='JSON file of the audit')
    a.add_argument('--external', help='folder of laboratories')
    a.add_argument('--bank', type=int, default=500)
    a.add_argument('--out', default=str(SHIPPED))
    return a.parse_args()


def outputs(model, images):
    "Features, logits and classes of readable images."
    logits, features, errors = zip(*model.answers(images['path']))
    assert not any(errors)
    return np.stack(features), np.stack(logits), images['label'].cat.codes.to_numpy()


def share(name, hits):
    low, high = wilson(int(hits.sum()), len(hits))
    return dict(figure=name, right=int(hits.sum()), images=len(hits), value=round(hits.mean(), 4), low=round(low, 4), high=round(high, 4))


def table_rows(name, preds, truth):
    "Accuracy, share answered, and accuracy of what was answered."
    right, answered = preds['predicted'].astype(str).to_numpy() == truth.to_numpy(), ~preds['abstained'].to_numpy(bool)
    yield share(f'{name}: right', right)
    yield share(f'{name}: selective coverage', answered)
    if answered.any(): yield share(f'{name}: selective accuracy', right[answered])
    for c in sorted(set(truth)): yield share(f'{name}: {c} found', right[(truth == c).to_numpy()])


def external_rows(model, folder, progress=True):
    for lab, images in laboratories(folder, progress).items():
        names = images['label'].astype(str).replace(KNOWN)
        preds = model.predict(images.assign(label=pd.Categorical([None]*len(images), categories=model.classes)), progress)
        known = names.isin(model.classes).to_numpy()
        yield from table_rows(f'{lab}, known classes', preds[known], names[known])
        yield share(f'{lab}, unknown classes: abstains', preds.loc[~known, 'abstained'].to_numpy(bool))


def main():
    a = arguments()
    images, model = apply_split(load_images(a.data), a.split), load_model(a.bundle)
    parts = {s: readable(images[images['split'] == s], allow=True) for s in ('train', 'validation', 'test')}
    work = Path(mkdtemp())/a.data
    save_bundle(model, work, half=True)
    export_onnx(work)
    cost = quantise(work, parts['train'].groupby('label', observed=True).sample(40, random_state=12), parts['test'], whole=12)
    print(cost, flush=True)
    small = open_onnx(work, int8=True)
    features, _, own = outputs(small, parts['train'])
    model.uncertainty = uncertainty_of(model.classes, features, own, parts['train']['sha256'].to_numpy(),
                                       *outputs(small, parts['validation']), bank=a.bank)
    folder = save_bundle(model, Path(a.out)/a.data, half=True)
    shutil.copy(work/'model.int8.onnx', folder)
    facts = json.loads((folder/'bundle.json').read_text())
    facts['exports'] = {k: v for k, v in json.loads((work/'bundle.json').read_text())['exports'].items() if k == 'model.int8.onnx'}
    (folder/'bundle.json').write_text(json.dumps(facts, indent=1))
    shipped = open_onnx(folder)
    rows = [share('8 bits and float agree', np.arange(cost['n']) < cost['agree']),
            share('float: right', np.arange(cost['n']) < round(cost['float_accuracy']*cost['n'])),
            *table_rows('home test', shipped.predict(parts['test']), parts['test']['label'].astype(str))]
    labs = a.external and Path(os.environ.get('BLOOD_CELLS_DATA', '.'))/a.external
    if labs: rows += external_rows(shipped, labs)
    size = sum(f.stat().st_size for f in folder.iterdir())
    rows.append(dict(figure='bytes', value=size))
    command = f'python benchmarks/ship.py runs/{a.data}/model.bundle {a.data} --split runs/{a.data}.csv --audit runs/audit/{a.data}/audit.json' + (f' --external {Path(a.external).name}' if a.external else '')
    new = pd.DataFrame(rows).assign(bundle=a.data, command=command, date=time.strftime('%Y-%m-%d'))
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=['bundle'])
    pd.concat([old[old['bundle'] != a.data], new]).to_csv(TABLE, index=False)
    print(new.drop(columns=['command', 'date']).to_string())
    put_report(folder, images, f'python benchmarks/ship_report.py {a.data}' + (f' --external {Path(a.external).name}' if a.external else ''),
               external=laboratories(labs) if labs else None, audit=a.audit)
    assert size < 10_000_000, size


if __name__ == '__main__': main()
