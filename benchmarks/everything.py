"""All that one may want to measure, on drawn images, in about twenty minutes on two cores: `make benchmark`.

    python benchmarks/everything.py             # writes out/benchmark: benchmark.md, benchmark.svg and the figures as JSON
    python benchmarks/everything.py --quick     # small, to see that it runs

Interrupted, it goes on with what that folder lacks; delete the folder to measure anew.

Prediction (prediction.py) beside Keras, timm, fastai and torchvision, and epochs of training (training.py) beside Keras and fastai:
medians and spreads of ratios, each of two things that ran one after the other. Times themselves mean nothing elsewhere.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from machine import cpu_name, vector_instructions
from prediction import PIECES

HERE = Path(__file__).parent
PAIRS = 5


def run(*args):
    print('running', *args, flush=True)
    subprocess.run([sys.executable, *map(str, args)], check=True, cwd=HERE)


def training(out, pairs):
    "Ratios of the seconds of an epoch to ours, one of each run."
    files = []
    for i in range(pairs):
        files.append(out/f'training-{i}'/'training.json')
        if not files[-1].exists(): run('training.py', 'phantoms', '--a-class', 36, '--epochs', 2, '--fastai-epochs', 1, '--views', 2, '--out', files[-1].parent)
    ratios = {}
    for f in files:
        rows = {r['row']: r['epoch_seconds'] for r in json.loads(f.read_text())['rows']}
        for name, seconds in rows.items(): ratios.setdefault(name, []).append(seconds/rows['ours, feature cache'])
    return ratios


def figure(parts, path):
    "How many times as long as with this package: bars of medians, lines of spreads."
    import matplotlib
    matplotlib.use('svg')
    import matplotlib.pyplot as plt
    fig, axes = plt.subplots(len(parts), 1, figsize=(8, 1.2 + .42*sum(map(len, parts.values()))), layout='constrained',
                             height_ratios=[len(p) for p in parts.values()])
    for ax, (title, rows) in zip(axes, parts.items()):
        names, values = list(rows), [median(v) for v in rows.values()]
        ax.barh(names, values, color=['#3b7dd8' if n.startswith('ours') else '#9aa5b1' for n in names])
        ax.hlines(names, [min(v) for v in rows.values()], [max(v) for v in rows.values()], color='#333333')
        for i, v in enumerate(values): ax.text(max(rows[names[i]]), i, f'  {digits(v)}', va='center')
        ax.set(title=title, xlabel='times as long as ours', xscale='log')
        ax.invert_yaxis()
        ax.spines[['top', 'right']].set_visible(False)
    fig.savefig(path)


def digits(v): return f'{v:.1f}' if v > .95 else f'{v:.2f}'


def said(rows): return [f'| {name} | {digits(median(v))} ({digits(min(v))} to {digits(max(v))}) |' for name, v in rows.items()]


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--quick', action='store_true', help='small, to see that it runs')
    a.add_argument('--out', type=Path, default=HERE.parent/'out'/'benchmark')
    a = a.parse_args()
    a.out = a.out.absolute()
    kept = a.out/'prediction.json'
    lacking = [p for p in (('speed',) if a.quick else PIECES) if not kept.exists() or p not in json.loads(kept.read_text())]
    if lacking: run('prediction.py', '--out', a.out, '--only', *lacking, *(['--quick'] if a.quick else ['--files', 1000, 10_000]))
    predicted = json.loads(kept.read_text())['speed']['rows']
    parts = {'Prediction, from a folder to a table': {r['name']: [r['ours_is'][k] for k in ('low', 'median', 'high')] for r in predicted},
             'An epoch of training': training(a.out, 1 if a.quick else PAIRS)}
    figure(parts, a.out/'benchmark.svg')
    lines = ['# Benchmark', '', f'{cpu_name()}, {vector_instructions()}. Medians and spreads of ratios: how many times as long as with this package.', '',
             '![Bars of the table below](benchmark.svg)', '']
    for title, rows in parts.items(): lines += [f'| {title} | times as long as ours |', '|---|---|', *said(rows), '']
    lines += ['The training compares epochs alone, on a few drawn images with random weights. What fills the feature cache before is in training-*/training.md; '
              'more of the prediction in prediction.md.', '']
    (a.out/'benchmark.md').write_text('\n'.join(lines))
    print('\n'.join(lines))


if __name__ == '__main__': main()
