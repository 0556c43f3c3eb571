"""What limits the figures at Johns Hopkins: models that were trained there, on other patients; labels that they dispute; pictures without a whole cell.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_labels.py --work runs/unseen

Features of the shipped network and of ImageNet's EfficientNet-Lite0 (whole image, cut-out cell), each with logistic regression on a hundred components, and the mean of
their probabilities; ten folds by patient, the penalty chosen by folds within the training patients. Cleanlab's confident learning names labels
that the out-of-fold probabilities dispute. Writes nbs/studies/results/jhu_own.csv (a row for each model) and jhu_labels.csv (a row for each class).
Pictures without a whole cell in the middle were named by eye, on sheets in random order without labels or predictions (jhu_by_eye.csv).
"""
from pathlib import Path

import numpy as np
import pandas as pd
import unseen_views as d
from cleanlab.filter import find_label_issues
from shipped_outputs import arguments, kept
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from unseen_left_out import balanced
from unseen_probe import PICTURES, lite0, pooled

from blood_cell_cancer.core.tables import softmax
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.use.predict import predict
from blood_cell_cancer.use.stream import open_onnx

OUT = Path('nbs/studies/results')


def out_of_fold(x, y, patient): # probabilities (n, classes), each from a model that saw no cell of its patient
    p = np.zeros((len(y), len(d.CLASSES)))
    for train, test in StratifiedGroupKFold(10, shuffle=True, random_state=0).split(x, y, patient):
        inner = list(StratifiedGroupKFold(5, shuffle=True, random_state=1).split(x[train], y[train], patient[train]))
        model = make_pipeline(StandardScaler(), PCA(100, random_state=0), LogisticRegression(class_weight='balanced', max_iter=1000))
        search = GridSearchCV(model, {'logisticregression__C': [.001, .01, .1]}, scoring='balanced_accuracy', cv=inner)
        p[test] = search.fit(x[train], y[train]).predict_proba(x[test])
    return p


def features(t, work):
    "Arrays (n, d) by name, and the shipped network's probabilities (n, classes)."
    def shipped():
        model = open_onnx('differential', int8=True)
        logits, x = zip(*(model.outputs(p)[:2] for p in t['path']))
        return dict(logits=np.stack(logits), x=np.stack(x))
    def imagenet(make): return lambda: dict(x=pooled(*lite0(), t['path'].tolist(), make).astype(np.float32))
    ours = kept(work/'jhu_shipped.npz', shipped)
    return {'features of the shipped network': ours['x'],
            **{f'ImageNet, {name}': kept(work/f'jhu_lite0_{name}.npz', imagenet(make))['x'] for name, make in PICTURES.items()}}, softmax(ours['logits'])


def main():
    work = arguments(__doc__).parse_args().work
    t = load_images('johns_hopkins')
    y, patient = np.array([d.CLASSES.index(c) for c in t['label']]), t['group'].to_numpy()
    x, p = features(t, work)
    probs = {'shipped': p, **{name: out_of_fold(v, y, patient) for name, v in x.items()}}
    probs['mean of the three'] = np.mean([probs[name] for name in x], axis=0)
    right, rows = {name: q.argmax(1) == y for name, q in probs.items()}, []
    for name, r in right.items():
        value, gain = balanced(r, y, patient), balanced(r.astype(int) - right['shipped'], y, patient)
        rows.append(dict(model=name, accuracy=r.mean(), **dict(zip(('balanced', 'low', 'high', 'gain', 'gain_low', 'gain_high'), (*value, *gain)))))
    none = t['name'].isin(pd.read_csv(OUT/'jhu_by_eye.csv')['name']).to_numpy()
    whole = right['shipped'][~none]
    rows.append(dict(zip(('model', 'accuracy', 'balanced', 'low', 'high'), ('shipped, pictures with a whole cell', whole.mean(), *balanced(whole, y[~none], patient[~none])))))
    own = pd.DataFrame(rows).round(3)
    own.to_csv(OUT/'jhu_own.csv', index=False)
    print(own.to_string())
    said, own = p.argmax(1), probs['mean of the three'].argmax(1)
    disputed = find_label_issues(y, probs['mean of the three'])
    abstained = predict('differential', t['path'].tolist())['abstained'].to_numpy(bool)
    rows = pd.DataFrame(dict(cells=1, shipped=said == y, own=own == y, both_wrong=(said != y) & (own != y), same_wrong=(said != y) & (own == said),
                             disputed=disputed, no_whole_cell=none, answered_there=none & ~abstained, shipped_elsewhere=(said == y) & ~none)).groupby(t['label']).sum()
    rows.loc['all'] = rows.sum()
    rows.to_csv(OUT/'jhu_labels.csv')
    print(rows.to_string())


if __name__ == '__main__': main()
