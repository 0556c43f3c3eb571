"""Every backbone in both engines: parameters, one epoch and one prediction on phantoms, and how far the engines' logits are apart.

    python benchmarks/backbones.py                                             # adds phantom rows to nbs/tutorials/results/backbones.csv
    BLOOD_CELLS_DATA=folder python benchmarks/backbones.py --data ball4 --a-class 60 vgg19 convnext_tiny   # some real images instead

Every network starts from random numbers: the table shows that the machinery works, and says nothing of how good a backbone is.
"""
import argparse
import os
import platform
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

from blood_cell_cancer.data.datasets import folder_images, load_images
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.backbones import BACKBONES, RECIPES, Recipe, recipe
from blood_cell_cancer.models.engines import engine_module
from blood_cell_cancer.models.training import train

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'backbones.csv'


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('backbones', nargs='*', default=list(BACKBONES))
    a.add_argument('--data')
    a.add_argument('--a-class', type=int, default=10)
    a.add_argument('--engines', nargs='*', default=['fastai', 'keras'])
    return a.parse_args()


def some_images(data, n):
    "A few images of each class, split."
    if not data:
        folder = Path(mkdtemp())/'phantoms'
        make_phantoms(folder, n=n, tint=False)
        return split_images(folder_images(folder, progress=False), 'image')
    images = load_images(data)
    few = images.groupby('label', observed=True).sample(n, random_state=12).sort_index().reset_index(drop=True)
    return split_images(few, 'image')


def recipe_of(backbone):
    "The published recipe of a backbone, for one epoch from random numbers."
    r = next((r for r in RECIPES.values() if r.backbone == backbone and r.name != 'demo'), Recipe(backbone, backbone))
    return recipe(r, weights='random', epochs=1, batch=16)


def gap_to_other(model, test):
    "Largest difference of logits once the weights have travelled to the other engine."
    if not BACKBONES[model.recipe.backbone].keras: return 'no such network in keras'
    from blood_cell_cancer.models.convert import ConversionError
    from blood_cell_cancer.models.keras.files import convert_model
    exact = lambda m: m.logits(test, progress=False, **(dict(precision='fp32') if m.engine == 'fastai' else {}))
    try: other = convert_model(model, 'keras' if model.engine == 'fastai' else 'fastai')
    except ConversionError: return "timm's own padding, which keras has not"
    here, there = exact(model), exact(other)
    return f'{np.abs(here - there).max():.1e} of logits up to {np.abs(here).max():.1e}'


def row_of(images, backbone, engine, data):
    model = train(images, recipe_of(backbone), engine, progress=False)
    test = images[images['split'] == 'test'].reset_index(drop=True)
    start = time.time()
    here = model.logits(test, progress=False)
    seconds = time.time() - start
    h = model.history.iloc[-1]
    return dict(data=data or 'phantoms', backbone=backbone, engine=engine, recipe=model.recipe.name, cut=model.recipe.cut,
                total=model.parameters[0], trainable=model.parameters[1],
                trained_on=int((images['split'] == 'train').sum()), epoch_seconds=round(float(h['seconds']), 1),
                valid_loss=round(float(h['valid_loss']), 4),
                valid_accuracy=round(float(h['valid_accuracy']), 4), predicted=len(here), predict_seconds=round(seconds, 2),
                logit_gap=gap_to_other(model, test),
                machine=f'{os.cpu_count()} cores, {platform.machine()}', date=time.strftime('%Y-%m-%d'))


def main():
    a = arguments()
    engine_module('fastai') # before TensorFlow, see `models.keras.setup`
    images = some_images(a.data, a.a_class)
    for b in a.backbones:
        for e in a.engines:
            if e == 'keras' and not BACKBONES[b].keras: continue
            row = row_of(images, b, e, a.data)
            old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=list(row))
            same = (old['backbone'] == b) & (old['engine'] == e) & (old['data'] == row['data'])
            pd.concat([old[~same], pd.DataFrame([row])]).to_csv(TABLE, index=False)
            print(row, flush=True)


if __name__ == '__main__': main()
