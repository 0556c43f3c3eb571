"""Write the record of the training images into bundles that come with the package, and count what the records recognise.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/training_images.py wbc5 ball4 differential

A bundle is only written if its JSON holds the hash of this very table. `ship.py` and `ship_differential.py` write the record themselves,
so this is for bundles from before. Nothing but the record and its checksum is written. Makes nbs/studies/results/training_images.csv.
"""
import argparse
import os
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import pandas as pd

from bundle_and_data import shipped_images
import blood_cell_cancer.data.audit.seen as s
from blood_cell_cancer.core.io import read_image, write_json
from blood_cell_cancer.core.tables import image_table, list_images
from blood_cell_cancer.models.bundle import SHIPPED, load_model, read_bundle, write_seen
from blood_cell_cancer.models.model import data_facts
from blood_cell_cancer.models.shipped import shipped_bundles

TABLE = Path(__file__).parents[1]/'nbs'/'studies'/'results'/'training_images.csv'
SETS = dict(wbc5='wbc5', ball4='ball4', barcelona='barcelona', johns_hopkins='johns_hopkins', bccd_cropped='other_labs/bccd_cropped',
            wbc_zheng2018='other_labs/wbc_zheng2018')


def saved_again(paths):
    "Copies as JPEG of quality 70."
    folder = Path(mkdtemp())
    for i, p in enumerate(paths): read_image(p).save(folder/f'{i}.jpg', quality=70)
    return image_table(list_images(folder)[0], progress=False)


def rows(seen, images, every):
    "What is recognised of each kind of images."
    trained = images[images['split'].isin(['train', 'validation'])]
    some = trained.sample(50, random_state=12)['path']
    kinds = {'its own training and validation images': trained, '50 of them, saved again as JPEG of quality 70': saved_again(some),
             'its test images': images[images['split'] == 'test']}
    for name, table in every.items():
        kinds[f'{name}, files that did not train'] = table[~table['sha256'].isin(trained['sha256'])]
    for kind, table in kinds.items():
        with patch.object(s, 'MAX_GREY', 255.): alike = s.recognise(seen, table)
        yield dict(images=kind, n=len(table), recognised=int(s.recognise(seen, table).sum()), by_hash_alone=int(alike.sum()))


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('bundles', nargs='+', choices=shipped_bundles())
    bundles = a.parse_args().bundles
    once = lru_cache(None)(s._fingerprints) # each image is decoded once for all bundles
    s._fingerprints = lambda path, orientations: once(path, tuple(orientations))
    data, out = Path(os.environ['BLOOD_CELLS_DATA']), []
    every = {n: image_table(list_images(data/f)[0], progress=False) for n, f in SETS.items()}
    for name in bundles:
        images, folder = shipped_images(name), SHIPPED/name
        facts = read_bundle(folder)
        if data_facts(images)['sha256'] != facts['data']['sha256']: raise ValueError(f'{name}: this is not the table that trained it')
        facts |= write_seen(s.SeenImages.of(images), folder)
        write_json(facts, folder/'bundle.json', nan=False)
        new = pd.DataFrame(rows(load_model(folder).seen, images, every)).assign(bundle=name)
        print(new.to_string(), sum(f.stat().st_size for f in folder.iterdir()), 'bytes', flush=True)
        out.append(new)
    pd.concat(out)[['bundle', 'images', 'n', 'recognised', 'by_hash_alone']].assign(command=f'python benchmarks/training_images.py {" ".join(bundles)}').to_csv(TABLE, index=False)


if __name__ == '__main__': main()
