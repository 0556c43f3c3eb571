"""How often `not_one_cell` flags real pictures of single cells, real fields of a smear, drawn ones, and several cells in one picture.

    BLOOD_CELLS_DATA=folder python benchmarks/one_cell.py

Makes nbs/studies/results/one_cell.csv. `tiles` are n by n pictures of single cells of one laboratory, side by side; `pair` are two.
"""
import argparse
import os
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from PIL import Image

from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.core.io import read_image
from blood_cell_cancer.core.tables import list_images
from blood_cell_cancer.data.phantoms.make import make_phantoms
from blood_cell_cancer.data.preprocess import NO_CELL, not_one_cell

TABLE = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'one_cell.csv'
SINGLE = dict(wbc5='wbc5', wbc5_original_sample='wbc5_original_sample', barcelona='barcelona', johns_hopkins='johns_hopkins',
              bccd_cropped='other_labs/bccd_cropped', wbc_zheng2018='other_labs/wbc_zheng2018')


def tiled(files, across, down, rng, side=224):
    "Pictures of single cells side by side."
    out = Image.new('RGB', (across*side, down*side))
    for i, p in enumerate(rng.choice(files, across*down)):
        out.paste(read_image(p).resize((side, side)), (i % across*side, i//across*side))
    return out


def pictures(data):
    "Kind, name of the set, and the pictures."
    single = {n: list_images(data/f)[0] for n, f in SINGLE.items()}
    for n, files in single.items(): yield 'single cells', n, map(read_image, files)
    yield 'fields of a smear', 'ball4', map(read_image, list_images(data/'ball4')[0])
    for kind in ('cells', 'fields'):
        folder = Path(mkdtemp())/kind
        make_phantoms(folder, kind=kind, n=50)
        yield 'drawn', f'phantoms, {kind}', map(read_image, list_images(folder)[0])
    rng = np.random.default_rng(12)
    for across, down in ((2, 1), (2, 2), (3, 3), (4, 4), (7, 6)):
        yield 'several cells', f'{across} x {down}', (tiled(files, across, down, rng) for files in single.values() for _ in range(25))
    yield 'empty', 'grey, with noise', (Image.fromarray(rng.normal(230, 5, (224, 224, 3)).clip(0, 255).astype(np.uint8)) for _ in range(50))


def main():
    argparse.ArgumentParser(description=__doc__.split('\n')[0]).parse_args()
    rows = []
    for kind, name, images in pictures(Path(os.environ['BLOOD_CELLS_DATA'])):
        said = [not_one_cell(img) for img in images]
        k, n = sum(map(bool, said)), len(said)
        low, high = wilson(k, n)
        rows.append(dict(kind=kind, images=name, n=n, flagged=k, share=round(k/n, 4), low=round(low, 4), high=round(high, 4),
                         no_cell=said.count(NO_CELL)))
        print(rows[-1], flush=True)
    pd.DataFrame(rows).assign(command='python benchmarks/one_cell.py', date=time.strftime('%Y-%m-%d')).to_csv(TABLE, index=False)


if __name__ == '__main__': main()
