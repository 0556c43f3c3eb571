"""The figures of a bundle that can be believed, as rows of nbs/tutorials/results/believe.csv.

    BLOOD_CELLS_DATA=folder python benchmarks/believe.py wbc5.bundle wbc5 --by wbc5_published --external other_labs
    BLOOD_CELLS_DATA=folder python benchmarks/believe.py ball4.bundle ball4 --split nbs/studies/results/ball4_split.csv --bar

Rows: the page's figures under the split, how many test images have a duplicate in training, coverage and abstention, the AUROC of
unknowns and the share from which the model abstains when 95 % of the known images are answered, each beside its control (known classes of
the same laboratory), the loss of recall in other laboratories, and the saliency inside the scale bar's box beside the other corners. The rows
of an earlier run of the same model on the same data and split are replaced. `--out` also writes the page.
"""
import time
from pathlib import Path

import numpy as np
import pandas as pd

from blood_cell_cancer.data.audit.report import apply_groups
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.models.uncertainty import uncertainty_of
from blood_cell_cancer.evaluate.calibration import risk_area
from blood_cell_cancer.core.intervals import wilson
from blood_cell_cancer.evaluate.report import evaluate
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.model import data_facts
from bundle_and_data import bundle_arguments, split_of
from saliency_on_bar import corner_saliency
from unknowns import Answers, laboratories, photographs, within

TABLE = Path(__file__).parents[1]/'nbs'/'tutorials'/'results'/'believe.csv'
BAR = 192, 194, 224, 222 # holds every style of ball4's scale bar, in pixels


def arguments():
    a = bundle_arguments(__doc__)
    a.add_argument('--groups', help='CSV of groups that `blood-cells audit` wrote: to split by, and to count those that lie on two sides')
    a.add_argument('--name', help='of the model in the table; default: its recipe')
    a.add_argument('--external', help='folder of laboratories')
    a.add_argument('--bar', action='store_true', help="measure saliency in the box of ball4's scale bar")
    a.add_argument('--saliency', type=int, default=0, help='test images of each class for that; 0: all')
    a.add_argument('--kinds', default='knn mahalanobis')
    a.add_argument('--coverage', type=float, default=.95)
    a.add_argument('--answered', type=float, default=.95)
    a.add_argument('--no-photographs', action='store_true', help="leave scikit-image's photographs out")
    a.add_argument('--out', help='HTML page')
    return a.parse_args()


def load(a, model):
    "The split images that the bundle was trained with."
    images = load_images(a.data)
    if a.groups: images = apply_groups(images, a.groups)
    images = split_of(a, images)
    if model.data and data_facts(images)['sha256'] != model.data['sha256']:
        raise SystemExit('the bundle was trained on other images or another split: give the same data, --by, --groups or --split')
    return images


def page_rows(r):
    "Figures of the page."
    s, x = r.to_dict(), r.leakage
    rows = [('duplicates in training', 'groups' if x['known'] else 'identical files alone', 'test', x['test'], x['share'], x['low'], x['high']),
            ('divided groups', '', 'all', None, x['groups'], None, None)]
    for name, v in s['scores'].items(): rows += [(k, name, 'test', v['n'], *v[k]) for k in ('accuracy', 'balanced_accuracy', 'macro_f1')]
    rows += [('recall', c['class'], 'test', c['n'], c['recall'], c['recall_low'], c['recall_high']) for c in s['classes']]
    for k in ('roc', 'pr'): rows += [(f'{k} area', c['class'], 'test', c['n'], c['area'], c['low'], c['high'])
                                     for c in s.get(f'{k}_areas', [])]
    c = s['calibration']
    return rows + [(name, 'as trained', 'test', c['n'], *c[k]) for k,
                   name in (('ece', 'calibration error'), ('brier', 'Brier score'), ('log_loss', 'log loss'))]


def uncertainty_rows(kind, model, net, parts, labs, photos, a):
    "Coverage, abstention and unknown images with one kind of OOD score."
    from blood_cell_cancer.evaluate.external import external_validation
    from blood_cell_cancer.evaluate.calibration import calibration, evaluate_uncertainty
    (inner, _), (valid, logits) = (net.outputs(s, parts[s]) for s in ('train', 'validation'))
    codes = {s: parts[s]['label'].cat.codes.to_numpy() for s in parts}
    uncertainty = uncertainty_of(model.classes, inner, codes['train'], parts['train']['sha256'].to_numpy(), valid, logits,
                                 codes['validation'], a.coverage, kind=kind, answered=a.answered)
    test = net.table(uncertainty, 'test', parts['test'])
    known, unknown = ({n: net.table(uncertainty, f'{n} {i}', t[i]) for n, t in labs.items() if len(t[i])} for i in (0, 1))
    controls = {f'known classes (control), {n}': t for n, t in known.items()}
    r = evaluate_uncertainty(test, uncertainty,
                             {**({'photographs': net.table(uncertainty, 'photographs', photos)} if photos is not None else {}),
                              **{f'classes never taught, {n}': t for n, t in unknown.items()}, **controls})
    n, rows = len(test), [('temperature', '', 'validation', len(valid), uncertainty.temperature, None, None)]
    rows += [('selective coverage', '', 'test', n, *r.selective_coverage),
             ('selective accuracy', '', 'test', int(round(r.selective_coverage[0]*n)), *r.selective_accuracy),
             ('set of one class', '', 'test', n, *share(r.sizes.get(1, 0), n)),
             ('area under risk-coverage', '', 'test', n, risk_area(r.curve), None, None),
             ('calibration error', 'after temperature', 'test', n, *calibration(test).ece)]
    rows += [('coverage', c['class'], 'test', c['n'], c['share'], c['low'], c['high']) for c in r.coverage.to_dict('records')]
    for u in r.unknowns.to_dict('records'):
        for k, name in (('auroc', 'AUROC against test images'), ('baseline', 'AUROC against test images, by probability alone'),
                        ('abstain', 'abstains')): rows.append((name, u['unknown'], 'unknowns', u['n'], u[k], u[f'{k}_low'], u[f'{k}_high']))
    rows += [('AUROC against known classes of the laboratory', n, 'unknowns', len(unknown[n]), *within(known[n], unknown[n])) for n in unknown
             if n in known]
    for n, t in known.items(): rows += laboratory_rows(n, external_validation(test, t), t)
    return [(f, w, on, n, v, lo, hi, kind) for f, w, on, n, v, lo, hi in rows]


def share(k, n): return (k/n, *wilson(int(k), int(n)))


def laboratory_rows(lab, f, said):
    "The loss of recall in a laboratory, and recall class by class."
    c, n = f.classes, int(f.classes['external_n'].sum())
    rows = [('loss of mean recall', lab, 'external', n, *f.drop),
            ('mean recall at home', lab, 'external', int(c['home_n'].sum()), *f.home),
            ('mean recall in the laboratory', lab, 'external', n, *f.external)]
    return rows + [('recall in the laboratory', f'{lab}, {x["class"]}', 'external', x['external_n'], *share(x['external_k'], x['external_n']))
                   for x in c.to_dict('records')]


def saliency_rows(model, test, n):
    "Saliency inside the bar's box and in the three other corners."
    t = corner_saliency(model, test.groupby('label', observed=True).head(n) if n else test, BAR)
    rows = [('saliency in the box', f'{x["corner"]}, {x["label"]}', 'test', x['n'], x['share'], x['low'], x['high'])
            for x in t.to_dict('records')]
    return [('saliency in the box', 'share of the picture', 'test', len(test), t['even'].iloc[0], None, None), *rows]


def main():
    a = arguments()
    model = load_model(a.bundle)
    images = load(a, model)
    start = time.time()
    parts = {s: images[(images['split'] == s) & (images['error'] == '')] for s in ('train', 'validation', 'test')}
    report = evaluate(model, images, saliency=0)
    rows = [(*r, '') for r in page_rows(report)]
    labs, photos, net = laboratories(a.external, model.classes), None if a.no_photographs else photographs(model.classes), Answers(model)
    for i, kind in enumerate(a.kinds.split()):
        got = uncertainty_rows(kind, model, net, parts, labs, photos, a)
        # What does not depend on the kind of OOD score is told once.
        rows += [r if r[0] not in ('loss of mean recall', 'mean recall at home', 'mean recall in the laboratory', 'recall in the laboratory', 'temperature',
                                   'coverage', 'set of one class', 'area under risk-coverage', 'calibration error') else (*r[:7], '')
                 for r in got if i == 0 or r[0] in ('selective coverage', 'selective accuracy', 'AUROC against test images', 'abstains',
                                                    'AUROC against known classes of the laboratory')]
    if a.bar: rows += [(*r, '') for r in saliency_rows(model, parts['test'], a.saliency)]
    d = pd.DataFrame(rows, columns=['figure', 'of', 'on', 'n', 'value', 'low', 'high', 'ood_score'])
    key = dict(model=a.name or getattr(model, 'name', '') or model.recipe.name, data=a.data, split=a.by if not a.split else 'file')
    d = d.assign(**key, date=time.strftime('%Y-%m-%d'))[[*key, 'figure', 'of', 'on', 'ood_score', 'n', 'value', 'low', 'high', 'date']]
    d['n'] = d['n'].astype('Int64')
    d[['value', 'low', 'high']] = d[['value', 'low', 'high']].astype(float).round(4)
    old = pd.read_csv(TABLE, keep_default_na=False,
                      na_values={'n': [''], 'value': [''], 'low': [''], 'high': ['']}) if TABLE.exists() else d.iloc[:0]
    old = old[~np.logical_and.reduce([old[k] == v for k, v in key.items()])]
    pd.concat([old.astype({'n': 'Int64'}), d] if len(old) else [d]).to_csv(TABLE, index=False)
    if a.out: report.save(a.out)
    print(d.drop(columns=[*key, 'date']).to_string(index=False))
    print(f'{len(d)} rows in {time.time() - start:.0f} s')


if __name__ == '__main__': main()
