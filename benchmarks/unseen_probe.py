"""Frozen ImageNet features of EfficientNet-Lite0 with logistic regression, on whole images, on the cell that was cut out, and on both.

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_probe.py --work runs/unseen

Features that are there are not computed again. Prints one row per picture and laboratory.
"""
import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import unseen_views as d
from sklearn.linear_model import LogisticRegression

from blood_cell_cancer.core.io import SEED
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.nets import build_net
from blood_cell_cancer.models.weights import find_weights

PICTURES = dict(whole=lambda a: a, cell=lambda a: d.clean(a, d.place(a)))


def lite0():
    "The backbone with ImageNet weights."
    torch.manual_seed(SEED)
    weights = find_weights('efficientnet_lite0')
    return build_net(recipe('demo', backbone='efficientnet_lite0'), 2, weights).body.eval(), weights.mean, weights.std


@torch.inference_mode()
def pooled(net, mean, std, paths, make, batch=32):
    "Pooled features of some files."
    out = []
    for i in range(0, len(paths), batch):
        x = np.stack([make(d.pixels(p)) for p in paths[i:i + batch]]).transpose(0, 3, 1, 2).astype(np.float32)/255
        x = (x - np.float32(mean)[:, None, None])/np.float32(std)[:, None, None]
        out.append(net(torch.from_numpy(x).contiguous(memory_format=torch.channels_last)).numpy().astype(np.float16))
    return np.concatenate(out)


def recalls(x, n, train, judge, strength):
    "Recall of each class in each laboratory that judges; `n` rows of `x` train."
    x = (x.astype(np.float32) - x[:n].mean(0, dtype=np.float32))/x[:n].astype(np.float32).std()/np.sqrt(x.shape[1])*10
    model = LogisticRegression(C=strength, max_iter=300, class_weight='balanced').fit(x[:n], train['label'])
    said = model.predict(x[n:])
    place = np.where(judge['set'].isin(['wbc5', 'barcelona']), 'home', judge['lab'] + judge['half'])
    right = pd.Series(said == judge['label'].to_numpy()).groupby([place, judge['label'].to_numpy()]).agg(['mean', 'size'])['mean'].unstack()
    cells = judge.groupby([place, 'label']).size().unstack()
    return right.assign(balanced=right[cells >= 10].mean(axis=1))


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--work', default='runs/unseen')
    a.add_argument('--each', type=int, default=500)
    a = a.parse_args()
    t, work = d.image_table(Path(os.environ['BLOOD_CELLS_DATA'])), Path(a.work)
    work.mkdir(parents=True, exist_ok=True)
    train, judge = d.parts(t, a.each)
    paths, features = t['path'].iloc[np.r_[train, judge]].tolist(), {}
    for name, make in PICTURES.items():
        file = work/f'lite0_{name}.npy'
        if not file.exists(): np.save(file, pooled(*lite0(), paths, make))
        features[name] = np.load(file)
    features['both'] = np.concatenate(list(features.values()), 1)
    for name, x in features.items():
        for strength in (.1, 1.):
            print(f'\n{name}, C={strength}', recalls(x, len(train), t.loc[train], t.loc[judge], strength).round(3), sep='\n', flush=True)


if __name__ == '__main__': main()
