"""What a trained model knows of its own limits: coverage, abstention from unknown images, and the loss of recall in other laboratories.

    BLOOD_CELLS_DATA=folder python benchmarks/unknowns.py wbc5.bundle wbc5 --by wbc5_published --external other_labs --out unknowns.json

`--external` names a folder with one folder per laboratory, each with one folder per class. Unknowns are its classes that the model
does not know, and scikit-image's photographs (`pip install scikit-image`), whole and in quarters.
"""
import json
import os
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image

from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.core.tables import image_table, prediction_table
from blood_cell_cancer.core.intervals import bootstrap_counts
from blood_cell_cancer.evaluate.curves import curves, roc_area
from blood_cell_cancer.evaluate.external import external_validation, map_classes
from blood_cell_cancer.core.tables import with_groups
from blood_cell_cancer.evaluate.calibration import calibration, evaluate_uncertainty, risk_area
from blood_cell_cancer.models.uncertainty import uncertainty_of
from blood_cell_cancer.core.intervals import with_ci
from blood_cell_cancer.models.bundle import load_model
from blood_cell_cancer.models.model import data_facts
from bundle_and_data import bundle_arguments, split_of

PHOTOGRAPHS = ('astronaut.png', 'brick.png', 'camera.png', 'chelsea.png', 'clock_motion.png', 'coffee.png', 'coins.png', 'grass.png',
               'gravel.png',
               'hubble_deep_field.jpg', 'moon.png', 'motorcycle_left.png', 'rocket.jpg')


def arguments():
    a = bundle_arguments(__doc__)
    a.add_argument('--external', help='folder of laboratories')
    a.add_argument('--kinds', default='knn mahalanobis')
    a.add_argument('--k', type=int, default=10)
    a.add_argument('--coverage', type=float, default=.95)
    a.add_argument('--method', default='lac')
    a.add_argument('--answered', type=float, default=.95)
    a.add_argument('--precision', default='fp32')
    a.add_argument('--out', help='JSON file')
    a.add_argument('--save', help='write a bundle with the first kind of OOD score here')
    return a.parse_args()


def photographs(classes):
    "scikit-image's photographs, whole and in quarters; one group per photograph."
    import skimage.data
    place, out = Path(skimage.data.__file__).parent, Path(mkdtemp())
    for name in PHOTOGRAPHS:
        img = Image.open(place/name).convert('RGB')
        w, h = img.size
        parts = [(0, 0, w, h)] + [(x, y, x + w//2, y + h//2) for x in (0, w//2) for y in (0, h//2)]
        for i, box in enumerate(parts): img.crop(box).save(out/f'{Path(name).stem}-{i}.png')
    table = image_table(sorted(out.iterdir()), classes=classes, progress=False)
    return table.assign(group=table['name'].str.rsplit('-', n=1).str[0])


class Answers:
    "Runs the network once over each table, and predicts with any uncertainty."
    def __init__(self, model, **kwargs): self.model, self.kwargs, self.kept = model, kwargs, {}

    def outputs(self, name, images):
        if name not in self.kept: self.kept[name] = self.model.features(images, **self.kwargs)
        return self.kept[name]

    def table(self, uncertainty, name, images):
        features, logits = self.outputs(name, images)
        return with_groups(prediction_table(images, uncertainty.probs(logits),
                                            self.model.classes).assign(**uncertainty.columns(logits, features)), images)


def laboratories(folder, classes):
    "name -> (images of known classes, images of others)"
    if not folder: return {}
    place = Path(folder) if Path(folder).is_dir() else Path(os.environ.get('BLOOD_CELLS_DATA', '.'))/folder
    return {p.name: map_classes(load_images(p, classes='folders'), classes) for p in sorted(place.iterdir()) if p.is_dir()}


def within(known, unknown, draws=1000):
    "AUROC of the OOD score, unknown against known classes of the same laboratory."
    y, s = np.r_[np.zeros(len(known), bool), np.ones(len(unknown), bool)], np.r_[known['ood_score'], unknown['ood_score']]
    w = np.hstack([bootstrap_counts(['']*len(d), draws, i) for i, d in enumerate((known, unknown))])
    return (float(roc_area(y, s)[0]), *map(float, np.nanpercentile(roc_area(y, s, w), [2.5, 97.5])))


def main():
    a = arguments()
    model, images = load_model(a.bundle), split_of(a)
    if model.data and data_facts(images)['sha256'] != model.data['sha256']:
        raise SystemExit('the bundle was trained on other images or another split: give the same data, --by or --split')
    rows = {s: images[(images['split'] == s) & (images['error'] == '')] for s in ('train', 'validation', 'test')}
    labs, photos, net, out = laboratories(a.external, model.classes), photographs(model.classes), Answers(model, precision=a.precision), {}
    for kind in a.kinds.split():
        (inner, _), (valid, logits) = (net.outputs(s, rows[s]) for s in ('train', 'validation'))
        uncertainty = uncertainty_of(model.classes, inner, rows['train']['label'].cat.codes.to_numpy(), rows['train']['sha256'].to_numpy(),
                                     valid, logits,
                         rows['validation']['label'].cat.codes.to_numpy(), a.coverage, a.method, kind=kind, k=a.k, answered=a.answered)
        if a.save and not out:
            model.uncertainty = uncertainty
            model.save(a.save)
        test = net.table(uncertainty, 'test', rows['test'])
        known = {n: net.table(uncertainty, f'{n} known', k) for n, (k, _) in labs.items() if len(k)}
        unknown = {n: net.table(uncertainty, f'{n} unknown', u) for n, (_, u) in labs.items() if len(u)}
        unknowns = {'photographs': net.table(uncertainty, 'photographs', photos),
                    **{f'unknown classes, {n}': t for n, t in unknown.items()},
                    **{f'(control) known classes, {n}': t for n, t in known.items()}}
        report = evaluate_uncertainty(test, uncertainty, unknowns)
        external = {n: external_validation(test, t) for n, t in known.items()}
        answered = {n: external_validation(test, t[~t['abstained']]) for n, t in known.items() if (~t['abstained']).any()}
        apart = {n: within(known[n], unknown[n]) for n in unknown if n in known}
        print(f'\n== {kind}: temperature {uncertainty.temperature:.2f}, limit {uncertainty.limit:.3f}\n{report.lead()}\n{report.table().to_string()}\n{report.unknown_table().to_string()}')
        print(f'set sizes {report.sizes.to_dict()}, area under risk-coverage {risk_area(report.curve):.5f}\n{calibration(test).table().to_string()}\n{curves(test).table().to_string()}')
        for n, f in external.items(): print(f'\n{n}: {f.lead()}\n{f.table().to_string()}')
        for n, f in answered.items(): print(f'{n}, answered images alone ({int(f.classes["external_n"].sum())}): {f.lead()}')
        for n, v in apart.items(): print(f'{n}: unknown against known classes of the same laboratory, AUROC {with_ci(*v, percent=False)}')
        out[kind] = dict(uncertainty=uncertainty.to_dict(), selective_coverage=report.selective_coverage,
                         selective_accuracy=report.selective_accuracy, accuracy=report.accuracy,
                         coverage=report.coverage.to_dict('records'),
                         unknowns=report.unknowns.to_dict('records'),
                         external={n: dict(home=f.home, external=f.external, drop=f.drop) for n, f in external.items()}, within=apart)
    if a.out: Path(a.out).write_text(json.dumps(out, indent=1))


if __name__ == '__main__': main()
