"""How prediction grows from one Ray worker to two on this machine, and what that makes of a hundred million images.

    python benchmarks/ray_workers.py            # five rounds, each of one worker, two workers, and `predict_stream`, in turn
    python benchmarks/ray_workers.py --price .05 --cores 100

The network is the shipped `differential` in 8 bits, the images are drawn. Workers are started anew in each run; what that takes is told apart
by a second, shorter run. Writes benchmarks/results/ray.json and ray.md. The arithmetic at its end extrapolates: nobody has run it.
"""
import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

from machine import cpu_name, vector_instructions
from prediction import between, make_links, spread, table

RESULTS = Path(__file__).parent/'results'
MANY = 100_000_000


def seconds(way, folder, out, workers=0):
    from blood_cell_cancer.use.ray import predict_ray
    from blood_cell_cancer.use.stream import predict_stream
    start = time.perf_counter()
    if way == 'stream': predict_stream('differential', folder, out, progress=False)
    else: predict_ray('differential', folder, out, workers, progress=False)
    return time.perf_counter() - start


def rates(place, few, many, rounds):
    "Images a second beyond the start, and the seconds of the start, of each way and round."
    got = {'one worker': [], 'two workers': [], 'predict_stream, no Ray': []}
    for i in range(rounds):
        for name, way, workers in (('one worker', 'ray', 1), ('two workers', 'ray', 2), ('predict_stream, no Ray', 'stream', 0)):
            short, long = (seconds(way, place/f, place/f'{i}{workers}{f}.csv', workers) for f in ('few', 'many'))
            rate = (many - few)/(long - short)
            got[name].append((rate, short - few/rate))
        print({k: round(v[-1][0]) for k, v in got.items()}, flush=True)
    return got


def of_names(n=100_000):
    "Bytes that the calling process holds for each file: its name, and its item of Ray Data."
    import tracemalloc
    tracemalloc.start()
    names = [f'{i//1000:06}/{i:09}.jpg' for i in range(n)]
    items = [dict(name=os.fsencode(name)) for name in names]
    held = tracemalloc.get_traced_memory()[0]/len(items)
    tracemalloc.stop()
    return held


def arithmetic(rate, row, name, cores, price):
    "What a hundred million images would take, if nothing but the cores limited it."
    hours = MANY/rate/3600
    return [f'At {rate:.0f} images a second for each core, {MANY:,} images are {hours:,.0f} hours of one core: {hours/cores:.1f} hours on {cores} cores, and '
            f'{hours*price:,.0f} dollars at {price} dollars for the hour of a core. ',
            f'Where it breaks: the calling process holds {name:.0f} bytes for each file, {MANY*name/1e9:.0f} GB for all, so give it a million files at a time '
            f'(a folder each, a table each). The table has {row:.0f} bytes a row, {MANY*row/1e9:.0f} GB: ask for Parquet. {cores} cores open {cores*rate:,.0f} files a '
            'second, more than most disks on a network and one prefix of an object store deliver (some 5,500 requests a second on S3): spread the files over prefixes.']


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--few', type=int, default=200)
    a.add_argument('--many', type=int, default=1200)
    a.add_argument('--rounds', type=int, default=5)
    a.add_argument('--cores', type=int, default=100)
    a.add_argument('--price', type=float, default=.05, help='dollars for the hour of a core; look up your own')
    a = a.parse_args()
    import ray
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    place = Path(mkdtemp(prefix='ray-'))
    try:
        make_phantoms(place/'drawn', n=20, size=224)
        drawn = sorted((place/'drawn').rglob('*.jpg'))
        for name, n in (('few', a.few), ('many', a.many)): make_links(place/name, drawn, n)
        ray.init(num_cpus=2, include_dashboard=False, logging_level='error', log_to_driver=False)
        got = rates(place, a.few, a.many, a.rounds)
        text = (place/'00many.csv').read_bytes()
    finally:
        ray.shutdown()
        shutil.rmtree(place)
    row = len(text)/(text.count(b'\n') - 1)
    rows = [dict(name=k, rate=spread([r for r, _ in v]), start=spread([s for _, s in v]), growth=spread([r/one for (r, _), (one, _) in zip(v, got['one worker'])])) for k, v in got.items()]
    said = arithmetic(median(r for r, _ in got['one worker']), row, of_names(), a.cores, a.price)
    facts = dict(machine=f'{os.cpu_count()} cores, {cpu_name()}, {vector_instructions()}', date=time.strftime('%Y-%m-%d'), command='python ' + ' '.join(['benchmarks/ray_workers.py', *sys.argv[1:]]),
                 rows=rows, arithmetic=said)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS/'ray.json').write_text(json.dumps(facts, indent=1))
    page = ['# Prediction with Ray workers\n', '<!-- written by benchmarks/ray_workers.py -->\n',
            table(['', 'images a second, once started', 'so many times one worker', 'start, seconds'],
                  [[r['name'], between(r['rate'], '.0f'), between(r['growth'], '.2f'), between(r['start'], '.1f')] for r in rows]),
            f"{facts['machine']}; {a.rounds} rounds, {facts['date']}.\n", *said]
    (RESULTS/'ray.md').write_text('\n'.join(page) + '\n')
    print('\n'.join(page))


if __name__ == '__main__': main()
