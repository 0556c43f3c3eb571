"""Put a report into a bundle that comes with the package: the figures on its test images and in other laboratories, the accuracy on corrupted images, and what the audit of its data found.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/audit_figures.py wbc5 --source barcelona=basophil,erythroblast,monocyte munich=myeloblast,seg_neutrophil
    blood-cells split --data wbc5 --groups runs/audit/wbc5/audit.groups.csv --out runs/wbc5.csv
    python benchmarks/ship_report.py wbc5 --external other_labs
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

import pandas as pd

from blood_cell_cancer.core.intervals import wilson, with_ci
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.splits import apply_split
from blood_cell_cancer.evaluate.external import laboratories
from blood_cell_cancer.evaluate.report import evaluate
from blood_cell_cancer.models.bundle import SHIPPED, add_report, load_model
from blood_cell_cancer.models.model import data_facts
from blood_cell_cancer.use.export import export_onnx
from blood_cell_cancer.use.stream import open_onnx


TABLES = Path(__file__).parents[1]/'nbs'


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('name', help='wbc5, ball4 or differential')
    a.add_argument('--external', help='folder of laboratories in BLOOD_CELLS_DATA')
    a.add_argument('--runs', default='runs', help='folder of NAME.csv, the split, and audit/NAME/audit.json')
    a.add_argument('--out', default=str(SHIPPED), help='folder of the bundle')
    return a.parse_args()


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


def put_report(folder, images, command, **given):
    "Evaluate the model of a bundle, with what is `given` to `evaluate`, and write the report into the bundle and its card."
    model = exact_model(folder)
    if data_facts(images)['sha256'] != model.data['sha256']: raise SystemExit(f'{folder} was trained on other images, or on another split of them')
    report = evaluate(model, images, saliency=0, robust=True, **given)
    report.facts += [('command', command), ('in 8 bits', eight_bits(folder.name))]
    print(report, report.table().to_string(), report.robustness.lead(), add_report(folder, report).read_text(), sep='\n')


def main():
    a = arguments()
    folder, runs = Path(a.out)/a.name, Path(a.runs)
    command = f'python benchmarks/ship_report.py {a.name}' + (f' --external {a.external}' if a.external else '')
    if a.name == 'differential':
        import ship_differential as s # loads torch and the benchmarks that trained it
        images = s.image_tables()
        return put_report(folder, images, command, **s.given(images, load_model(folder).classes))
    labs = laboratories(Path(os.environ['BLOOD_CELLS_DATA'])/a.external) if a.external else None
    put_report(folder, apply_split(load_images(a.name), runs/f'{a.name}.csv'), command, external=labs, audit=runs/'audit'/a.name/'audit.json')


if __name__ == '__main__': main()
