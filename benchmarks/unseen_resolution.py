"""The eight-class network that was shipped until 30 November 2026 trained on with 224 instead of 160 pixels.

Also means of the weights of both, and both on pictures of other sizes. Needs the bundle of that time: git checkout e9bfc3b --
blood_cell_cancer/bundles/differential

    export BLOOD_CELLS_DATA=folder
    python benchmarks/unseen_resolution.py tf_efficientnet_lite0.in1k.safetensors    # 40 minutes; start it again to go on where it was killed

Writes nbs/studies/results/resolution.csv: a row for each network, size and laboratory. Gains are over the shipped network, in full precision too.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import timm
import torch
import unseen_full as full
import unseen_views as d
from shipped_outputs import EACH, SCALE, judged
from unseen_seeds import GROUPS, OUT
from unseen_size import gain

from blood_cell_cancer.models.bundle import load_model

SIZE, STEPS = 224, 600
RUNS = (0, 160), (0, 192), (0, 224), (.25, 192), (.5, 192), (.5, 224), (1, 224) # share of the weights that were trained on; pixels


def shipped_state():
    "The shipped weights with timm's names."
    state = load_model('differential').net.state_dict()
    return {k.removeprefix('body.').replace('head.0.', 'classifier.'): v for k, v in state.items()}


def trained(work, weights):
    "The weights after further training, from the shipped ones."
    start, net = work/'shipped.pt', work/'1'/'net.pt'
    work.mkdir(parents=True, exist_ok=True)
    if not start.exists(): torch.save(shipped_state(), start)
    if not net.exists():
        settings = dict(weights=weights, work=net.parent, init=start, size=SIZE, steps=STEPS, scale=SCALE, masked=.5, lr=2e-4, seed=2)
        subprocess.run([sys.executable, full.__file__, *(str(v) for k, x in settings.items() for v in (f'--{k}', x))], check=True)
    return torch.load(net, weights_only=True)


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('weights', type=Path, help='ImageNet weights of tf_efficientnet_lite0, a safetensors file')
    a.add_argument('--work', type=Path, default=Path('runs/d224'))
    a = a.parse_args()
    first, last = shipped_state(), trained(a.work.absolute(), a.weights.absolute())
    t = d.image_table(Path(os.environ['BLOOD_CELLS_DATA']))
    _, judge = d.parts(t, EACH)
    J, net, found, pictures = t.loc[judge].reset_index(drop=True), timm.create_model('tf_efficientnet_lite0', num_classes=len(d.CLASSES)), {}, {}
    for share, size in RUNS:
        if size not in pictures: pictures = {size: full.clean_pictures(t, judge, size, SCALE)} # one size at a time, for memory
        net.load_state_dict({k: torch.lerp(first[k].float(), last[k].float(), share).to(v.dtype) for k, v in last.items()})
        found[share, size] = full.logits_of(net.to(memory_format=torch.channels_last), pictures[size])
        print(share, size, flush=True)
    rows = [judged(v, J, f'{share:g} of the further training, {size} pixels', GROUPS).merge(gain(found[RUNS[0]], v, J, GROUPS)) for (share, size), v in found.items()]
    table = pd.concat(rows, ignore_index=True)
    table.to_csv(OUT/'resolution.csv', index=False)
    print(table.to_string())


if __name__ == '__main__': main()
