"What the benchmarks of one bundle on one data set ask for."
import argparse

from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.splits import apply_split, split_images


def bundle_arguments(doc:str # of the script
                    )->argparse.ArgumentParser: # with bundle, data, --by and --split; more can be added
    a = argparse.ArgumentParser(description=doc.split('\n')[0])
    a.add_argument('bundle')
    a.add_argument('data')
    a.add_argument('--by', default='group')
    a.add_argument('--split', help='CSV of a saved split')
    return a


def split_of(a, # arguments
             images=None # image table; default: read `a.data`
            ): # split image table
    images = load_images(a.data) if images is None else images
    return apply_split(images, a.split) if a.split else split_images(images, a.by)
