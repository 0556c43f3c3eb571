"""Where a bundle looks on a collection with burnt-in scale bars: the share of its saliency inside the bar's box.

    BLOOD_CELLS_DATA=folder python benchmarks/saliency_on_bar.py ball4.bundle ball4 --by ball4_published
"""
import json
from pathlib import Path

import numpy as np
import pandas as pd

from blood_cell_cancer.evaluate.saliency import box_share, saliency_maps, saliency_share
from blood_cell_cancer.models.bundle import load_model
from bundle_and_data import bundle_arguments, split_of


def corner_saliency(model, # a `Model`
                test:pd.DataFrame, # image table
                box, # (x0, y0, x1, y1) of the bar, in pixels of the picture
                margin:float=0, # widen the boxes
                method:str='grad_cam'
               )->pd.DataFrame: # one row per corner and class: corner, label, n, share, low, high, even
    "Share of the saliency in the bar's box, and in the three other corners, which tell what a corner gets that holds no bar."
    size = tuple(int(v) for v in test[['width', 'height']].iloc[0])
    saliency, rows, (x0, y0, x1, y1), (w, h) = saliency_maps(model, test, method=method), [], box, size
    corners = {'bar': tuple(box), 'upper right': (x0, h - y1, x1, h - y0), 'lower left': (w - x1, y0, w - x0, y1),
               'upper left': (w - x1, h - y1, w - x0, h - y0)}
    for name, box in corners.items():
        d = pd.DataFrame(dict(label=saliency.images['label'].astype(str).to_numpy(),
                              share=[saliency_share(m, box, size, margin) for m in saliency.maps]))
        for c, g in [('all', d), *d.groupby('label')]:
            v = g['share'].dropna().to_numpy()
            low, high = np.percentile(np.random.default_rng(0).choice(v, (2000, len(v))).mean(1), [2.5, 97.5])
            rows.append(dict(corner=name, label=c, n=len(v), share=v.mean(), low=low, high=high, even=box_share(box, size, margin)))
    return pd.DataFrame(rows)


def main():
    a = bundle_arguments(__doc__)
    a.add_argument('--box', nargs=4, type=float, default=[192, 194, 224, 222],
                   help='x0 y0 x1 y1 of the bar, in pixels of the picture; the default holds every style of ball4')
    a.add_argument('--margin', type=float, default=0)
    a.add_argument('--method', default='grad_cam')
    a.add_argument('--limit', type=int, default=0, help='so many test images of each class')
    a.add_argument('--out', help='JSON file')
    a = a.parse_args()
    images = split_of(a)
    test = images[images['split'] == 'test']
    if a.limit: test = test.groupby('label', observed=True).head(a.limit)
    d = corner_saliency(load_model(a.bundle), test, a.box, a.margin, a.method)
    if a.out: Path(a.out).write_text(json.dumps(d.to_dict('records'), indent=1))
    print(d.round(3).to_string(index=False))


if __name__ == '__main__': main()
