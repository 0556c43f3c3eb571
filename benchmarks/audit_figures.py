"""Audit a real data set and put its figures into nbs/tutorials/results/audit.csv.

    BLOOD_CELLS_DATA=folder python benchmarks/audit_figures.py ball4
    BLOOD_CELLS_DATA=folder python benchmarks/audit_figures.py wbc5 --source barcelona=basophil,erythroblast,monocyte munich=myeloblast,seg_neutrophil

The rows of a data set replace its earlier ones. The page, its JSON and the groups lie in --out; none of them holds an image.
The laboratories of wbc5 are known by class only: three are byte-identical to images of Barcelona's set, two are Munich's by their names.
The split `file` is the one that trained the shipped model (see bundle_and_data.py).
"""
import argparse
import os
import time
from pathlib import Path

import pandas as pd

from bundle_and_data import SPLITS
from blood_cell_cancer.data.audit.report import SECTIONS, apply_groups, audit, leaked_test_images
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.core.tables import readable
from blood_cell_cancer.data.audit.shortcuts import shortcut_features, shortcuts
from blood_cell_cancer.data.splits import NAMED_SPLITS, apply_split

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'audit.csv'


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('data', help='wbc5, ball4, or the name of a folder in BLOOD_CELLS_DATA')
    a.add_argument('--source', nargs='*', default=[], help='laboratory=class,class')
    a.add_argument('--out', default='runs/audit')
    a.add_argument('--only', nargs='*', help='these sections alone; groups are those of the last whole run in --out')
    return a.parse_args()


def with_sources(images, pairs):
    "The laboratory of each class, where it is known."
    lab = {c: name for name, classes in (p.split('=') for p in pairs) for c in classes.split(',')}
    return images.assign(source=images['label'].astype(str).map(lab).fillna(''))


def shortcut_rows(d, by):
    "A row a feature and kind of folds."
    for r in d.itertuples():
        told = 'class' if r.target == 'label' else 'laboratory'
        for kind, folds in (('random', 'random folds'), ('grouped', f'folds by {by}')):
            yield 'shortcuts', f'{told} predicted by {r.feature}, {folds}', getattr(r, kind), getattr(r, f'{kind}_low'), getattr(r,
                    f'{kind}_high')
        yield 'shortcuts', f'{told}: share of the commonest', r.majority, None, None


def rows_of(a, name):
    "Every figure of an audit as (section, figure, value, low, high)."
    for s in a.sections:
        yield s.name, f'verdict: {s.verdict}', None, None, None
        yield s.name, 'seconds', s.seconds, None, None
        flat = {k: v for k, v in s.figures.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
        for k, v in flat.items(): yield s.name, k.replace('_', ' '), v, None, None
        if 'marks' in s.figures: yield s.name, 'marks: ' + (' '.join(s.figures['marks']) or 'none'), len(s.figures['marks']), None, None
    if not a.pairs: return
    yield 'groups', 'groups of duplicates and overlaps', (a.groups['group'][a.groups['group'] != '']).nunique(), None, None
    yield 'groups', 'images in groups', (a.groups['group'] != '').sum(), None, None
    leaks = {by: a.split_leakage(by) for by in ('image', 'group', *(n for n in NAMED_SPLITS if n.startswith(name + '_')))}
    if (file := SPLITS/f'{name}_split.csv').exists(): leaks['file'] = leaked_test_images(apply_split(a.groups, file))
    for by, t in leaks.items():
        yield 'groups', f'test images with a duplicate in training, split {by} (of {t["test"]})', t['duplicates'], None, None
        yield 'groups', f'share of test images with a duplicate in training, split {by}', t['share'], t['low'], t['high']


def shortcut_tables(a):
    "How well class and laboratory are told, for each kind of folds."
    if 'shortcuts' not in [s.name for s in a.sections]: return
    yield 'group', a['shortcuts'].table
    live = readable(a.groups, allow=True)
    # Runs of 25 file numbers need several runs a class and fold.
    if live['label'].value_counts().min() < 250: return
    features = shortcut_features(live)
    for target in a['shortcuts'].table['target'].unique(): yield 'block', shortcuts(live, target, 'block', features=features)


def main():
    args = arguments()
    here = Path(os.environ.get('BLOOD_CELLS_DATA', '.'))/args.data
    images = with_sources(load_images(here if here.is_dir() else args.data), args.source)
    out = Path(args.out)/args.data
    out.mkdir(parents=True, exist_ok=True)
    if args.only: images = apply_groups(images, out/'audit.groups.csv')
    a = audit(images, args.only or SECTIONS)
    a.save(out/f'audit{"-" + "-".join(args.only) if args.only else ""}.html', f'Audit of {args.data}')
    rows = [*rows_of(a, args.data), *(r for by, d in shortcut_tables(a) for r in shortcut_rows(d, by))]
    d = pd.DataFrame(rows, columns=['section', 'figure', 'value', 'low', 'high']).drop_duplicates(['section', 'figure'])
    d = d.assign(data=args.data, command=f'python benchmarks/audit_figures.py {args.data}' + (' --source ' + ' '.join(args.source)
            if args.source else ''), date=time.strftime('%Y-%m-%d'))
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=['data'])
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    kept = old[(old['data'] != args.data) | (~old['section'].isin(d['section']) if args.only else False)]
    pd.concat([kept, d.round(4)])[['data', 'section', 'figure', 'value', 'low', 'high', 'command', 'date']].to_csv(TABLE, index=False)
    print(a.table().to_string())


if __name__ == '__main__':
    main()
