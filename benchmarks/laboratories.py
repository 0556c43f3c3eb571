"""What a model that comes with the package does in every laboratory at hand, the worst first.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/laboratories.py wbc5

Writes nbs/tutorials/results/laboratories.csv: of the classes that the model knows, balanced accuracy (mean recall), share answered and share right of
the answers, and the balanced accuracy of a random forest on colour histograms of the same training images (for wbc5 of all its images); of
the others, how many it answers, and how many normal cells it calls a myeloblast with an answer.
"""
import argparse
import os
import time
from pathlib import Path

import pandas as pd

from bundle_and_data import shipped_images
from unseen_views import half_of
from blood_cell_cancer.core.intervals import clustered_share
from blood_cell_cancer.core.tables import with_groups
from blood_cell_cancer.data.classes import map_name
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.evaluate.baselines import histogram_baseline
from blood_cell_cancer.evaluate.external import laboratory_table, laboratory_text
from blood_cell_cancer.use.predict import predict

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'laboratories.csv'
ROLES = { # of laboratories that did not train: what they were used for
    'wbc5': {'barcelona': 'laboratory of three other classes of the training', 'johns_hopkins': 'chose and fitted nothing',
             'other_labs/bccd_cropped': 'chose the recipe', 'other_labs/wbc_zheng2018': 'chose the recipe'},
    'differential': {'other_labs/wbc_zheng2018': 'chose the crop, fitted the thresholds',
                     'johns_hopkins, half A': 'chose the network and the crop, fitted the thresholds',
                     'johns_hopkins, half B': 'other patients: fitted nothing, but seen during the development'}}
NORMAL = 'lymphocyte', 'monocyte', 'seg_neutrophil', 'eosinophil', 'basophil'


def share(hits, of, groups, name):
    "A share with its interval, by patient where patients are known, as columns."
    if not of.any(): return {}
    return dict(zip((name, f'{name}_low', f'{name}_high'), clustered_share(hits[of], groups[of]))) | {f'{name}_n': of.sum()}


def other_laboratories(bundle):
    "Laboratory, what it was used for, image table with its own class names."
    for place, role in ROLES.get(bundle, {}).items():
        folder, _, half = place.partition(', half ')
        images = load_images(Path(os.environ['BLOOD_CELLS_DATA'])/folder, classes='folders')
        yield Path(place).name, role, images[images['group'].map(half_of) == half] if half else images


def places(bundle):
    "Test images of laboratories that trained, where the others are none of these, and the other laboratories."
    if bundle == 'differential':
        home = shipped_images(bundle).query("split == 'test'") # rows that did not train, and are like none that did
        role = 'same laboratory: other images of it were used for training'
        for lab, images in home.groupby('source', sort=False): yield f'{lab}, test images', role, images
    yield from other_laboratories(bundle)


def trained_on(bundle):
    "The images that trained the model; for wbc5 all of its images."
    return load_images(bundle) if bundle != 'differential' else shipped_images(bundle).query("split == 'train'")


def by_colour(bundle, tables): # one image table a laboratory
    "Their predictions by colour histograms alone."
    train = trained_on(bundle)
    classes = train['label'].cat.categories
    both = [train.assign(split='train')] + [t.assign(split='test', label=pd.Categorical([None]*len(t), classes)) for t in tables]
    return histogram_baseline(pd.concat(both, ignore_index=True).assign(label=lambda d: pd.Categorical(d['label'], classes)))


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('bundle')
    a = a.parse_args()
    parts, others, found = [], [], list(places(a.bundle))
    for lab, use, images in found:
        preds = with_groups(predict(a.bundle, images['path'].tolist()), images)
        groups = preds['group'].to_numpy(str)
        classes = [c.removeprefix('p_') for c in preds if c.startswith('p_')]
        known = images['label'].astype(str).map(lambda c: map_name(c, classes) or None) # None: not known to the model
        preds = preds.assign(target=pd.Categorical(known, classes), laboratory=lab, used=use)
        parts.append(preds)
        answered, called = ~preds['abstained'].to_numpy(bool), preds['predicted'].eq('myeloblast').to_numpy()
        normal = images['label'].astype(str).map(lambda c: bool(map_name(c, NORMAL))).to_numpy()
        others.append(dict(laboratory=lab) | share(answered, known.isna().to_numpy(), groups, 'unknown_answered')
                      | share(called & answered, normal, groups, 'normal_called_myeloblast'))
    preds = pd.concat(parts)
    colours = by_colour(a.bundle, [images for *_, images in found])
    assert colours['path'].tolist() == preds['path'].tolist()
    colours = laboratory_table(colours.drop(columns=['target']).assign(**{k: preds[k].to_numpy() for k in ('laboratory', 'used', 'group')}, target=preds['target'].array))
    colours = colours.rename(columns=dict(recall='histogram', low='histogram_low', high='histogram_high'))
    table = laboratory_table(preds).merge(pd.DataFrame(others), on='laboratory').merge(colours[['laboratory', 'histogram', 'histogram_low', 'histogram_high']], on='laboratory')
    print(laboratory_text(table).to_string(), table.filter(regex='unknown|normal|laboratory|histogram').round(3).to_string(), sep='\n')
    new = table.round(4).assign(bundle=a.bundle, command=f'python benchmarks/laboratories.py {a.bundle}', date=time.strftime('%Y-%m-%d'))
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=['bundle'])
    pd.concat([old[old['bundle'] != a.bundle], new]).to_csv(TABLE, index=False)


if __name__ == '__main__': main()
