"""Put a report into a bundle that comes with the package: the figures on its test images and in other laboratories, the accuracy on corrupted images, and what the audit of its data found.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/ship_report.py wbc5
    python benchmarks/ship_report.py ball4
    python benchmarks/ship_report.py differential

Of a bundle only bundle.json and README.md are written, and nothing unless the images and their split are those that trained it. The
network is run in the precision of its weights file, by ONNX Runtime, which is faster than torch. The figures of the 8-bit network, which
answers `blood-cells predict`, stand in nbs/tutorials/results/shipped.csv and nbs/studies/results/differential.csv.
"""
import argparse
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

from bundle_and_data import shipped_images
from laboratories import other_laboratories
from blood_cell_cancer.core.intervals import wilson, with_ci
from blood_cell_cancer.data.audit.report import SECTIONS, audit
from blood_cell_cancer.evaluate.external import ood_images
from blood_cell_cancer.evaluate.report import evaluate
from blood_cell_cancer.models.bundle import SHIPPED, add_report, load_model, read_bundle, save_bundle, write_facts
from blood_cell_cancer.models.model import data_facts
from blood_cell_cancer.use.export import export_onnx
from blood_cell_cancer.use.stream import open_onnx


TABLES = Path(__file__).parents[1]/'nbs'


def outputs(small, # of `open_onnx`
            paths)->tuple: # features (n, d), logits (n, classes)
    logits, features, errors, _ = zip(*small.all_outputs(paths))
    assert not any(errors)
    return np.stack(features), np.stack(logits).astype(float)


def put_bundle(model, work, # folder of the same model with its 8-bit network
               folder)->Path: # of the bundle
    "Save a model, and its 8-bit network beside it."
    save_bundle(model, folder, half=True)
    shutil.copy(work/'model.int8.onnx', folder)
    write_facts(read_bundle(folder) | dict(exports={'model.int8.onnx': read_bundle(work)['exports']['model.int8.onnx']}), folder)
    return folder


def exact_model(folder):
    "The model of a bundle; ONNX Runtime makes its predictions, from a copy that is exported without the 8 bits."
    model, copy = load_model(folder), Path(mkdtemp())/folder.name
    shutil.copytree(folder, copy)
    export_onnx(copy)
    model.predict = open_onnx(copy).predict
    return model


def eight_bits(name):
    "How often the 8-bit network is right on the same test images, from the table that shipping it has written."
    if name == 'differential': row = pd.read_csv(TABLES/'studies'/'results'/'differential.csv').query("laboratory == 'home' and label == 'all'").iloc[-1].rename({'cells': 'images'})
    else: row = pd.read_csv(TABLES/'tutorials'/'results'/'shipped.csv').query("bundle == @name and figure == 'home test: right'").iloc[-1]
    right, n = int(row['right']), int(row['images'])
    return f'{right} of {n} right, {with_ci(right/n, *wilson(right, n))}'


def given(name, images, classes):
    "What the report is made with: the audit, the other laboratories and their roles, and images that hold no single cell."
    # Single cells of `differential`: no field of view to overlap.
    found = audit(images.assign(split=''), [s for s in SECTIONS if s != 'overlaps' or name != 'differential'])
    unknowns = {}
    if name == 'differential':
        fields = ood_images(Path(os.environ['BLOOD_CELLS_DATA'])/'ball4', classes)
        unknowns['fields of a smear, ball4'] = fields.sample(300, random_state=3).reset_index(drop=True)
    return dict(audit=found, external={f'{lab} ({role})': t for lab, role, t in other_laboratories(name)}, unknowns=unknowns)


def put_report(folder, images):
    "Evaluate the model of a bundle, and write the report into the bundle and its card."
    name, model = folder.name, exact_model(folder)
    if data_facts(images)['sha256'] != model.data['sha256']: raise SystemExit(f'{folder} was trained on other images, or on another split of them')
    report = evaluate(model, images, saliency=0, robust=True, **given(name, images, model.classes))
    report.facts += [('command', f'python benchmarks/ship_report.py {name}'), ('in 8 bits', eight_bits(name))]
    print(report, report.table().to_string(), report.robustness.lead(), add_report(folder, report).read_text(), sep='\n')


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('name', help='wbc5, ball4 or differential')
    a.add_argument('--out', default=str(SHIPPED), help='folder of the bundle')
    a = a.parse_args()
    put_report(Path(a.out)/a.name, shipped_images(a.name))


if __name__ == '__main__': main()
