"""Accuracy of a bundle on corrupted test images, by corruption and severity.

    BLOOD_CELLS_DATA=folder python benchmarks/robustness.py wbc5.bundle wbc5 --by wbc5_published --severities 1 3 5 --out robustness.csv
"""
import argparse

from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.splits import apply_split, split_images
from blood_cell_cancer.evaluate.robustness import CORRUPTIONS, robustness
from blood_cell_cancer.models.bundle import load_model


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('bundle')
    a.add_argument('data')
    a.add_argument('--by', default='group')
    a.add_argument('--split', help='CSV of a saved split')
    a.add_argument('--corruptions', nargs='*', default=list(CORRUPTIONS))
    a.add_argument('--severities', nargs='*', type=int, default=[1, 2, 3, 4, 5])
    a.add_argument('--precision', default='fp32')
    a.add_argument('--out', help='CSV file')
    a = a.parse_args()
    images = load_images(a.data)
    images = apply_split(images, a.split) if a.split else split_images(images, a.by)
    r = robustness(load_model(a.bundle), images, corruptions=a.corruptions, severities=a.severities, precision=a.precision)
    if a.out: r.rows.to_csv(a.out, index=False)
    print(r.table().to_string())


if __name__ == '__main__': main()
