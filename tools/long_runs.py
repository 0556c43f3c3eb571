"""Does the memory of long runs grow? A table of a hundred thousand images, and a training of fifty epochs with each engine.

python tools/long_runs.py                 # writes tests/long_runs.csv
python tools/long_runs.py --only predict --images 100000

Each run is a process of its own, on phantoms with a small network. Its memory (resident, of Linux) is noted after every hundredth of the
images, or every epoch. `MB early` is the median of the second fifth of these, `MB late` that of the last fifth.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

root = Path(__file__).parents[1]
table = root/'tests'/'long_runs.csv'
JOBS = 'predict', 'fastai', 'keras'
IMAGES, EPOCHS = 100_000, 50


def prepare(place, job, n):
    "Phantoms of 32 pixels; for predictions a bundle as ONNX, and as many names of the phantoms as wanted."
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.data.splits import split_images
    from blood_cell_cancer.models.backbones import recipe
    make_phantoms(place/'cells', n=8, size=32)
    images = split_images(folder_images(place/'cells', progress=False), 'image', sizes=(.6, .2, .2))
    r = recipe('demo', weights='random', size=32, batch=8, views=2, epochs=1 if job == 'predict' else n, patience=0)
    if job != 'predict': return images, r
    from blood_cell_cancer.models.training import train
    from blood_cell_cancer.use.export import export_onnx
    train(images, r, progress=False, device='cpu').save(place/'m.bundle')
    export_onnx(place/'m.bundle')
    files = sorted((place/'cells').rglob('*.jpg'))
    for i in range(n):
        to = place/'many'/f'{i//1000:03}'/f'{i:06}.jpg'
        to.parent.mkdir(parents=True, exist_ok=True)
        os.link(files[i % len(files)], to)


def run(place, job, n):
    if job == 'prepare': return prepare(place, 'predict', n)
    if job == 'predict':
        from blood_cell_cancer.use.stream import predict_stream
        return predict_stream(place/'m.bundle', place/'many', place/'table.csv', progress=False)
    from blood_cell_cancer.models.training import train
    images, r = prepare(place, job, n)
    train(images, r, job, place/'run', progress=False, **dict(device='cpu') if job == 'fastai' else {})


def done(place, job) -> int:
    "Images or epochs so far."
    if job == 'predict':
        part = place/'table.csv.part.csv'
        return part.read_bytes().count(b'\n') if part.exists() else 0
    try: return len(json.loads((place/'run'/'run.json').read_text())['history'])
    except (OSError, ValueError): return 0


def resident(pid) -> float: # MB
    return int(Path(f'/proc/{pid}/statm').read_text().split()[1])*os.sysconf('SC_PAGE_SIZE')/1e6


def measured(job, n) -> dict:
    with tempfile.TemporaryDirectory(prefix='long-') as place:
        place = Path(place)
        start = lambda what: subprocess.Popen([sys.executable, __file__, '--run', what, '--at', str(place), '--n', str(n)])
        if job == 'predict' and start('prepare').wait(): raise SystemExit('predict: no bundle was made')
        begun, process, seen, memory = time.time(), start(job), -1, []
        while process.poll() is None:
            now = done(place, job)*(100 if job == 'predict' else n)//n # hundredths of the images, or epochs
            if now > seen: memory, seen = [*memory, resident(process.pid)], now
            time.sleep(.3)
        if process.returncode: raise SystemExit(f'{job} ended with status {process.returncode}')
    fifth = len(memory)//5
    if not fifth: raise SystemExit(f'{job}: {len(memory)} figures are too few')
    early, late = median(memory[fifth:2*fifth]), median(memory[-fifth:])
    return dict(run=job, number=n, of='images' if job == 'predict' else 'epochs', measurements=len(memory), **{'MB early': round(early), 'MB late': round(late),
                'MB most': round(max(memory)), 'seconds': round(time.time() - begun)})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--only', default=','.join(JOBS))
    p.add_argument('--images', type=int, default=IMAGES)
    p.add_argument('--epochs', type=int, default=EPOCHS)
    for hidden in ('--run', '--at', '--n'): p.add_argument(hidden, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.run: return run(Path(args.at), args.run, int(args.n))
    rows = {r['run']: r for r in csv.DictReader(table.open())} if table.exists() else {}
    for job in args.only.split(','):
        rows[job] = measured(job, args.images if job == 'predict' else args.epochs)
        print(rows[job], flush=True)
        with table.open('w', newline='', encoding='utf-8') as f:
            w = csv.DictWriter(f, list(rows[job]), lineterminator='\n')
            w.writeheader()
            w.writerows(rows[j] for j in JOBS if j in rows)


if __name__ == '__main__': main()
