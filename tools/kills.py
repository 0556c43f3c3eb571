"""Is anything lost where a process is killed? Jobs are killed (SIGKILL) at random moments, started again, and compared with undisturbed ones.

python tools/kills.py                       # all jobs, until there are as many kills as `WANTED` says; counts go into tests/kills.csv
python tools/kills.py --only save,stream --kills 20

A job is killed up to three times in a row; after each kill what it had saved before must be there, and the run that ends undisturbed must
give the same weights, bundle or table as one that was never killed. Half of the kills come at any moment of the job, half just after
something in its folder changed. Python's libraries are imported once, and each run is a fork of that process.
What has run is kept in _proc/kills.jsonl until the package changes: interrupt it and go on as you like.
"""
import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path

import seeds

root = seeds.root
kept, table = root/'_proc'/'kills.jsonl', root/'tests'/'kills.csv'
WANTED = dict(fetch=20, audit=20, cache=40, fastai=40, keras=12, save=50, export=20, stream=40, adapt=20) # kills of each job
IN_A_ROW = 3


# What a job leaves, as text that is the same for the same numbers.
def digest(*values): return hashlib.sha256(b'\0'.join(v if isinstance(v, bytes) else repr(v).encode() for v in values)).hexdigest()


def bundle_digest(folder):
    "Weights and JSON of a bundle, without its time."
    facts = json.loads((folder/'bundle.json').read_text())
    return digest((folder/'weights.safetensors').read_bytes(), *((k, v) for k, v in sorted(facts.items()) if k not in ('created', 'history')),
                  [{k: v for k, v in row.items() if k != 'seconds'} for row in facts.get('history', [])])


def names(folder) -> list:
    "Of the files, but for what a killed process was writing: that is removed an hour later."
    return sorted(p.name for p in folder.iterdir() if '.part' not in p.suffixes)


def opens(folder) -> bool:
    "Is there a bundle, here or moved aside by a save that was killed? Saving again brings it back."
    from blood_cell_cancer.models.bundle import load_model
    there = folder if folder.exists() else folder.with_name(f'.{folder.name}.old')
    return load_model(there).classes is not None


# The jobs: each works in a folder of its own, `at`; `work` holds what they start from. They give the digest of what they made.
def tiny(**changes):
    from blood_cell_cancer.models.backbones import recipe
    return recipe('demo', **dict(weights='random', size=32, epochs=3, batch=8, views=2) | changes)


def images_of(work):
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.splits import split_images
    return split_images(folder_images(work/'cells', progress=False), 'image', sizes=(.6, .2, .2))


def fetch(work, at):
    "Download a data set from a server of this process that is slow."
    import pytest
    from test_downloads import Server, as_kaggle
    from blood_cell_cancer.data.datasets import load_images
    server = Server()
    server.how = 'slow'
    as_kaggle(server, at, work/'cells', pytest.MonkeyPatch())()
    images = load_images('wbc5', progress=False)
    return digest(images.drop(columns='path').to_csv(index=False), [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in images['path']])


def audit(work, at):
    "Audit images, going on with what an interrupted audit had computed."
    from blood_cell_cancer.data.audit.report import audit
    a = audit(images_of(work), ('integrity', 'duplicates', 'overlaps', 'labels', 'balance'), folder=at/'kept', progress=False)
    return digest([(s.name, s.verdict, s.sentence, s.table.to_csv()) for s in a.sections], names(at))


def cache(work, at):
    from blood_cell_cancer.models.features import FeatureCache
    from blood_cell_cancer.models.nets import CutNet
    import torch
    torch.manual_seed(0)
    c = FeatureCache(CutNet('mobilenetv2', 5), images_of(work), at, (.5,)*3, (.5,)*3, 'system1', 3, size=32, batch=1, progress=False)
    return digest(b''.join(c.view(v).tobytes() for v in range(3)))


def trained(work, at, engine):
    from blood_cell_cancer.models.engines import engine_module
    from blood_cell_cancer.models.training import train
    with warnings.catch_warnings():
        warnings.simplefilter('ignore') # at first there is no checkpoint
        model = train(images_of(work), tiny(), engine, at/'run', resume=True, progress=False, **dict(device='cpu') if engine == 'fastai' else {})
    state = engine_module(engine).net_state(model.net)
    return digest(*(v for k in sorted(state) for v in (k, state[k].tobytes())), model.history.drop(columns='seconds').to_dict('records'))


def fastai(work, at): return trained(work, at, 'fastai')
def keras(work, at): return trained(work, at, 'keras')


def save(work, at):
    "Replace a bundle by another."
    from blood_cell_cancer.models.bundle import load_model
    folder = at/'m.bundle'
    if not folder.exists() and not folder.with_name('.m.bundle.old').exists(): # at first there is an older bundle, with a file of the user's
        shutil.copytree(work/'old.bundle', at/'copy', dirs_exist_ok=True)
        (at/'copy'/'notes.txt').write_text('mine')
        os.replace(at/'copy', folder)
    model = load_model(work/'new.bundle')
    for _ in range(3): model.save(folder)
    left = sorted(p.name for p in at.iterdir() if p.name != 'copy')
    return digest(bundle_digest(folder), (folder/'notes.txt').read_text(), left)


def export(work, at):
    from blood_cell_cancer.use.export import export_onnx
    if not (at/'m.bundle').exists():
        shutil.copytree(work/'new.bundle', at/'copy', dirs_exist_ok=True)
        os.replace(at/'copy', at/'m.bundle')
    export_onnx(at/'m.bundle')
    return digest(bundle_digest(at/'m.bundle'), (at/'m.bundle'/'model.onnx').read_bytes(), names(at/'m.bundle'))


def stream(work, at):
    from blood_cell_cancer.use.stream import predict_stream
    return digest(predict_stream(work/'onnx.bundle', work/'cells', at/'table.csv', batch=2, overwrite=True, progress=False).read_bytes())


def adapt(work, at):
    from blood_cell_cancer.models.adapt import adapt
    from blood_cell_cancer.models.bundle import load_model
    if not (at/'ours.bundle').exists():
        shutil.copytree(work/'old.bundle', at/'copy', dirs_exist_ok=True)
        os.replace(at/'copy', at/'ours.bundle')
    adapt(load_model(work/'new.bundle'), images_of(work), progress=False, allow_training_images=True).save(at/'ours.bundle')
    return bundle_digest(at/'ours.bundle')


JOBS = {f.__name__: f for f in (fetch, audit, cache, fastai, keras, save, export, stream, adapt)}
BUNDLES = dict(save='m.bundle', export='m.bundle', adapt='ours.bundle') # must open after any kill, once they are there


def run(job, work, at, out):
    "One run in this process, which was forked for it."
    at.mkdir(exist_ok=True)
    out.write_text(json.dumps(JOBS[job](work, at)))


def check(job, at, out): out.write_text(json.dumps(opens(at/BUNDLES[job])))


def prepare(work, out):
    "What the jobs start from."
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.models.training import train
    from blood_cell_cancer.use.export import export_onnx
    make_phantoms(work/'cells', n=8, size=32)
    images = images_of(work)
    for seed, name in enumerate(('old', 'new', 'onnx')):
        train(images, tiny(epochs=1, seed=seed), progress=False, device='cpu').save(work/f'{name}.bundle')
    export_onnx(work/'onnx.bundle')
    out.write_text('true')


def done(job, *args):
    "Run undisturbed: what it wrote, and seconds."
    (_, answer, said, seconds), = seeds.answers(job, [args])
    if answer is None: raise SystemExit(f'{args[0]} fails undisturbed:\n{said[-3000:]}')
    return answer, seconds


def listing(at) -> set:
    "Files and their sizes; what vanishes meanwhile is left out."
    found, folders = set(), [str(at)]
    while folders:
        try:
            for e in os.scandir(folders.pop()):
                if e.is_dir(): folders.append(e.path)
                found.add((e.path, e.stat().st_size))
        except OSError: pass
    return found


def killed(job, work, at, seconds, rng) -> bool:
    "Start the job and kill it; False if it came to its end first."
    pid, out = seeds.fork(run, job, work, at)
    begun, moment, changes = time.time(), rng.uniform(0, seconds), rng.randrange(1, 12) if rng.random() < .5 else 0
    before = listing(at)
    while time.time() - begun < (moment if not changes else 10*seconds):
        if os.waitpid(pid, os.WNOHANG)[0]:
            shutil.rmtree(out, ignore_errors=True)
            return False
        if changes and (now := listing(at)) != before:
            before, changes = now, changes - 1
            if not changes:
                time.sleep(rng.uniform(0, .004))
                break
        time.sleep(.0005)
    try: os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError: os.kill(pid, signal.SIGKILL) # before it had a session of its own
    status = os.waitpid(pid, 0)[1]
    shutil.rmtree(out, ignore_errors=True)
    return os.WIFSIGNALED(status)


def series(job, work, want, seconds, rng, place) -> dict:
    "Kill a job up to three times, let it end, and compare."
    at, kills, wrong = Path(tempfile.mkdtemp(dir=place))/job, 0, ''
    at.mkdir()
    for _ in range(IN_A_ROW):
        if not killed(job, work, at, seconds, rng): break
        kills += 1
        name = BUNDLES.get(job)
        if name and any((at/n).exists() for n in (name, f'.{name}.old')):
            (_, answer, said, _), = seeds.answers(check, [(job, at)])
            if answer is not True: wrong = f'after {kills} kills the bundle does not open: {said.strip().splitlines()[-1]}'
    if kills and not wrong:
        (_, answer, said, _), = seeds.answers(run, [(job, work, at)])
        if answer != want: wrong = f'after {kills} kills ' + ('other numbers' if answer else said.strip().splitlines()[-1])
    shutil.rmtree(at.parent, ignore_errors=True)
    return dict(job=job, kills=kills, wrong=wrong)


def version(): return seeds.versions([Path(__file__)])[Path(__file__)]


def results() -> list:
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    now = version()
    return [r for r in rows if r['version'] == now]


def write_table(rows):
    with open(table, 'w', newline='', encoding='utf-8') as f:
        w = csv.writer(f, lineterminator='\n')
        w.writerow(['job', 'kills', 'runs that ended', 'with the same result', 'what went wrong'])
        for job in JOBS:
            mine = [r for r in rows if r['job'] == job and r['kills']]
            if mine: w.writerow([job, sum(r['kills'] for r in mine), len(mine), sum(not r['wrong'] for r in mine), '; '.join(dict.fromkeys(r['wrong'] for r in mine if r['wrong']))])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--only', default=','.join(JOBS))
    p.add_argument('--kills', type=int, help='of each job')
    args = p.parse_args()
    kept.parent.mkdir(exist_ok=True)
    seeds.preload()
    sys.path.append(str(root/'tests'))
    jobs, place = args.only.split(','), Path(tempfile.mkdtemp(prefix='kills-'))
    for name in ('data.audit.report', 'models.adapt', 'models.training', 'use.export', 'use.stream', *['models.keras.training']*('keras' in jobs)):
        import_module(f'blood_cell_cancer.{name}')
    try:
        work = place/'work'
        work.mkdir()
        done(prepare, work)
        for job in jobs:
            have = sum(r['kills'] for r in results() if r['job'] == job)
            if have >= (args.kills or WANTED[job]): continue
            want, seconds = done(run, job, work, place/f'{job}-first')
            again, _ = done(run, job, work, place/f'{job}-second')
            if want != again: raise SystemExit(f'{job} gives other numbers each time, without any kill')
            print(f'{job}: {seconds} s undisturbed', flush=True)
            while have < (args.kills or WANTED[job]):
                rng = random.Random(f'{job} {len(results())}')
                row = series(job, work, want, seconds, rng, place) | dict(version=version())
                have += row['kills']
                with kept.open('a') as f: f.write(json.dumps(row) + '\n')
                print(f"{job}: killed {row['kills']} times, {row['wrong'] or 'the same result'} ({have})", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        write_table(results())
    rows = results()
    bad = [r for r in rows if r['wrong']]
    print(f"{sum(r['kills'] for r in rows)} kills, {len(bad)} with another result")
    sys.exit(bool(bad))


if __name__ == '__main__': main()
