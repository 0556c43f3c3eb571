"""Make a bundle that comes with the package: half precision for torch, 8 bits for prediction (but for the first 12 convolutions, which suffer most by it), uncertainty fitted to the outputs of the 8-bit network.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/real_runs.py wbc5 --split nbs/studies/results/wbc5_split.csv --recipe wbc5_microscopes --views 5 --preprocess "crop:cell reinhard" --run runs/wbc5
    python benchmarks/ship.py runs/wbc5/model.bundle wbc5

Adds rows to nbs/tutorials/results/shipped.csv: what the 8 bits cost, and how the shipped file does at home and in other laboratories.
"""
import argparse
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

from bundle_and_data import shipped_images
from laboratories import other_laboratories
from ship_report import outputs, put_bundle, put_report
from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.core.tables import readable
from blood_cell_cancer.data.classes import map_name
from blood_cell_cancer.models.bundle import SHIPPED, load_model, save_bundle
from blood_cell_cancer.models.uncertainty import uncertainty_of
from blood_cell_cancer.use.export import export_onnx, quantise
from blood_cell_cancer.use.stream import open_onnx

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'shipped.csv'


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('bundle')
    a.add_argument('data', help='wbc5 or ball4')
    a.add_argument('--bank', type=int, default=500)
    a.add_argument('--out', default=str(SHIPPED))
    return a.parse_args()


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


def external_rows(model, data, progress=True):
    for lab, _, images in other_laboratories(data):
        names = images['label'].astype(str).map(lambda c: map_name(c, model.classes))
        preds = model.predict(images.assign(label=pd.Categorical([None]*len(images), categories=model.classes)), progress)
        known = (names != '').to_numpy()
        yield from table_rows(f'{lab}, known classes', preds[known], names[known])
        yield share(f'{lab}, unknown classes: abstains', preds.loc[~known, 'abstained'].to_numpy(bool))


def main():
    a = arguments()
    images, model = shipped_images(a.data), load_model(a.bundle)
    parts = {s: readable(images[images['split'] == s], allow=True) for s in ('train', 'validation', 'test')}
    work = Path(mkdtemp())/a.data
    save_bundle(model, work, half=True)
    export_onnx(work)
    cost = quantise(work, parts['train'].groupby('label', observed=True).sample(40, random_state=12), parts['test'], whole=12)
    print(cost, flush=True)
    small = open_onnx(work, int8=True)
    codes = {k: t['label'].cat.codes.to_numpy() for k, t in parts.items()}
    model.uncertainty = uncertainty_of(model.classes, outputs(small, parts['train']['path'])[0], codes['train'], parts['train']['sha256'].to_numpy(),
                                       *outputs(small, parts['validation']['path']), codes['validation'], bank=a.bank)
    folder = put_bundle(model, work, Path(a.out)/a.data)
    shipped = open_onnx(folder)
    rows = [share('8 bits and float agree', np.arange(cost['n']) < cost['agree']),
            share('float: right', np.arange(cost['n']) < round(cost['float_accuracy']*cost['n'])),
            *table_rows('home test', shipped.predict(parts['test']), parts['test']['label'].astype(str)), *external_rows(shipped, a.data)]
    size = sum(f.stat().st_size for f in folder.iterdir())
    rows.append(dict(figure='bytes', value=size))
    command = f'python benchmarks/ship.py runs/{a.data}/model.bundle {a.data}'
    new = pd.DataFrame(rows).assign(bundle=a.data, command=command, date=time.strftime('%Y-%m-%d'))
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=['bundle'])
    pd.concat([old[old['bundle'] != a.data], new]).to_csv(TABLE, index=False)
    print(new.drop(columns=['command', 'date']).to_string())
    put_report(folder, images)
    assert size < 10_000_000, size


if __name__ == '__main__': main()
