"""Train a recipe on a real data set, judge it, and add a row to nbs/tutorials/results/runs.csv.

    BLOOD_CELLS_DATA=folder python benchmarks/real_runs.py wbc5 --by wbc5_published --recipe wbc5_mobilenetv2

The table holds what the lessons quote: every row names its split, baseline, intervals and epoch seconds.
"""
import argparse
import os
import platform
import time
from pathlib import Path

import pandas as pd

from blood_cell_cancer.data.audit.report import apply_groups
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.splits import apply_split, leakage, save_split, split_images
from blood_cell_cancer.evaluate.report import evaluate
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.training import train

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'runs.csv'


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('data')
    a.add_argument('--by', default='group')
    a.add_argument('--groups', help='CSV of groups that `blood-cells audit` wrote, to split by')
    a.add_argument('--split', help='CSV of a saved split')
    a.add_argument('--recipe', required=True)
    a.add_argument('--engine', default='fastai')
    a.add_argument('--weights', default='auto')
    a.add_argument('--views', type=int, default=0)
    a.add_argument('--epochs', type=int)
    a.add_argument('--preprocess', default='')
    a.add_argument('--run', default='runs/real')
    a.add_argument('--bundle', help='judge this bundle instead of training')
    return a.parse_args()


def main():
    a = arguments()
    images = load_images(a.data)
    if a.groups: images = apply_groups(images, a.groups)
    images = apply_split(images, a.split) if a.split else split_images(images, a.by)
    changes = dict(weights=a.weights, views=a.views, preprocess=tuple(p for p in a.preprocess.split(' ') if p))
    if a.epochs: changes['epochs'] = a.epochs
    start, folder = time.time(), Path(a.run)
    if a.bundle: model = load_model(a.bundle)
    else: model = train(images, recipe(a.recipe, **changes), a.engine, folder/'checkpoints', resume=True, allow_leakage=True)
    seconds = time.time() - start
    report = evaluate(model, images)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder/'model.bundle', report=report)
    report.save(folder/'report.html')
    save_split(images, folder/'split.csv')
    s, base = report.to_dict()['scores']['model'], report.to_dict()['scores']['colour histogram']
    row = dict(data=a.data, split=a.by if not a.split else 'file', images=len(images), divided_groups=len(leakage(images)),
               recipe=model.recipe.name,
               engine=model.engine, weights=model.weights, views=model.recipe.views, preprocess=' '.join(model.recipe.preprocess),
               correct=s['correct'], n=s['n'],
               **{f'accuracy{k}': round(v, 4) for k, v in zip(('', '_low', '_high'), s['accuracy'])},
               **{f'macro_f1{k}': round(v, 4) for k, v in zip(('', '_low', '_high'), s['macro_f1'])},
               **{f'histogram{k}': round(v, 4) for k, v in zip(('', '_low', '_high'), base['accuracy'])},
               epochs=len(model.history), best_epoch=int(model.history['valid_loss'].idxmin()) + 1,
               epoch_seconds=round(float(model.history['seconds'].median()), 1), total_seconds=None if a.bundle else round(seconds),
               machine=f'{os.cpu_count()} cores, {platform.machine()}', date=time.strftime('%Y-%m-%d'))
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame()
    pd.concat([old, pd.DataFrame([row])]).to_csv(TABLE, index=False)
    print(report.table().to_string())
    print(report.class_table().to_string())


if __name__ == '__main__': main()
