"""Accuracy of a bundle on corrupted test images, by corruption and severity.

    BLOOD_CELLS_DATA=folder python benchmarks/robustness.py wbc5.bundle wbc5 --by wbc5_published --severities 1 3 5 --out robustness.csv
"""

from blood_cell_cancer.evaluate.robustness import CORRUPTIONS, robustness
from blood_cell_cancer.models.bundle import load_model
from bundle_and_data import bundle_arguments, split_of


def main():
    a = bundle_arguments(__doc__)
    a.add_argument('--corruptions', nargs='*', default=list(CORRUPTIONS))
    a.add_argument('--severities', nargs='*', type=int, default=[1, 2, 3, 4, 5])
    a.add_argument('--precision', default='fp32')
    a.add_argument('--out', help='CSV file')
    a = a.parse_args()
    images = split_of(a)
    r = robustness(load_model(a.bundle), images, corruptions=a.corruptions, severities=a.severities, precision=a.precision)
    if a.out: r.rows.to_csv(a.out, index=False)
    print(r.table().to_string())


if __name__ == '__main__': main()
