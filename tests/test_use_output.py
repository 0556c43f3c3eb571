"What commands write: lines in a log, a bar in a terminal, widgets in a notebook, and nothing of TensorFlow's start-up."
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from blood_cell_cancer.data.phantoms.make import make_phantoms

NOISE = 'oneDNN', 'cpu_feature_guard', 'absl', 'cuInit', 'cuda', 'Warning', 'WARNING', 'tensorflow/', '.py'
# All commands in one process, for torch and TensorFlow take long to load; at its end it goes on in a terminal.
COMMANDS = '''
import os, sys
from dataclasses import replace
from blood_cell_cancer.models.backbones import RECIPES
RECIPES['demo'] = replace(RECIPES['demo'], size=32, cut='head')
if {keras}:
    sys.path.append({tests!r})
    import small_network
    RECIPES['demo'] = replace(RECIPES['demo'], backbone='tiny')
from blood_cell_cancer.use.cli import main
for words in {commands!r}:
    print('$', words[0], flush=True)
    sys.argv[1:] = words
    try: main()
    except SystemExit as e: assert not e.code
if {terminal}:
    for stream in 0, 1, 2: os.dup2({terminal}, stream)
'''
TRAIN = '''
import sys, blood_cell_cancer.all
assert {keras} or 'tensorflow' not in sys.modules, 'the front door must not load TensorFlow'
from blood_cell_cancer.data.datasets import load_images
from blood_cell_cancer.data.splits import split_images
from blood_cell_cancer.models.backbones import recipe
from blood_cell_cancer.models.training import train
images = split_images(load_images({data!r}, classes='folders'), 'image', sizes=(.5, .25, .25))
model = train(images, recipe('demo', weights='random', size=32, epochs=2, batch=8, views=1), device='cpu')
'''
EPOCH = r'epoch 1 of 2: training loss \d+\.\d+, validation loss \d+\.\d+, validation accuracy \d+\.\d %, \d+ s'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    "Five classes of eight phantoms."
    folder = tmp_path_factory.mktemp('output')/'cells'
    make_phantoms(folder, n=8, seed=4)
    return str(folder)


def without_settings():
    "This environment as a user has it, without what test runs set against noise."
    return {k: v for k, v in os.environ.items() if k not in ('TF_CPP_MIN_LOG_LEVEL', 'PYTHONUNBUFFERED')}


def open_terminal():
    "Both ends of a pseudo-terminal, or 0 where there are none."
    if find_spec('pty') is None or os.name == 'nt': return 0, 0
    import fcntl
    import pty
    import struct
    import termios
    own, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0)) # a new pseudo-terminal has no columns
    return own, theirs


def read_all(own):
    "What a terminal is sent, until its other end is closed."
    shown = b''
    while True:
        try: piece = os.read(own, 4096)
        except OSError: piece = b''
        if not piece: break
        shown += piece
    os.close(own)
    return shown.decode()


@pytest.fixture(scope='module')
def both(data, tmp_path_factory):
    "What commands write into a file, standard output and errors in one, as lines by command; and what a training writes into a terminal."
    place, keras = tmp_path_factory.mktemp('written'), find_spec('keras') is not None
    own, theirs = open_terminal()
    commands = [['demo', '--data', data, '--classes', 'folders', '--weights', 'random', '--epochs', '2', '--out', str(place/'out')]]
    if keras:
        commands += [['train', '--data', data, '--classes', 'folders', '--engine', 'keras', '--weights', 'random', '--epochs', '2',
                      '--no-uncertainty', '--run', str(place/'run'), '--out', str(place/'keras.bundle')],
                     ['predict', str(place/'keras.bundle'), data, '--out', str(place/'p.csv')]]
    code = COMMANDS.format(keras=keras, tests=str(Path(__file__).parent), commands=commands, terminal=theirs)
    if own: code += TRAIN.format(data=data, keras=keras)
    with open(place/'log.txt', 'wb') as log:
        process = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=without_settings(),
                                   pass_fds=(theirs,)*bool(own))
    if own: os.close(theirs)
    terminal = read_all(own) if own else ''
    failed, log = process.wait(900), (place/'log.txt').read_bytes().decode()
    assert not failed, log + terminal
    assert '\r' not in log and '\x1b' not in log
    # A warning of this package is a sentence that begins with `Warning: `; those of libraries name a class, such as FutureWarning.
    assert [line for line in log.splitlines() if any(w in line for w in NOISE) and not line.startswith('Warning: ')] == []
    parts = re.split(r'^\$ (\w+)\n', log, flags=re.M)
    return dict(zip(parts[1::2], map(str.splitlines, parts[2::2]))) | dict(before=parts[0].splitlines(), terminal=terminal)


def has(pattern, lines):
    return [i for i, line in enumerate(lines) if re.fullmatch(pattern, line)]


def test_a_log_has_a_line_for_each_epoch(both):
    lines = both['demo']
    assert both['before'] == [] and len(lines) < 60
    assert len(has(EPOCH, lines)) == len(has(EPOCH.replace('epoch 1', 'epoch 2'), lines)) == 1
    # Both streams in the order in which things happened: what is trained, its epochs, the result, the places.
    order = [has(p, lines)[0] for p in (r'training \w+ with fastai on .*', EPOCH, 'this model .*', 'report: .*')]
    assert order == sorted(order)


@pytest.mark.skipif(find_spec('keras') is None, reason='keras is not installed')
def test_tensorflow_starts_in_silence(both):
    assert len(has(EPOCH, both['train'])) == 1 and len(both['train']) < 19
    assert both['predict'][-2] == '40 files' and len(both['predict']) < 6


@pytest.mark.skipif(find_spec('pty') is None or os.name == 'nt', reason='no pseudo-terminal here')
def test_a_terminal_gets_one_bar(both):
    text = both['terminal']
    # A bar over the batches of both epochs, with the time left, that no line feed breaks; it is wiped away at the end.
    drawn = [s for s in text.replace('\n', '\r').split('\r') if s.startswith('training:')]
    assert any(re.search(r'\d/6 \[\d\d:\d\d<', s) for s in drawn), repr(text)
    assert not any(line.rstrip('\r').split('\r')[-1].startswith('training:') for line in text.split('\n'))
    # What stays to be read, when the terminal has drawn all over itself.
    kept = [line.rstrip('\r').split('\r')[-1] for line in text.split('\n')]
    assert len(has(EPOCH, kept)) == 1


def test_a_notebook_gets_widgets_and_tables(data):
    nbformat, nbclient = pytest.importorskip('nbformat'), pytest.importorskip('nbclient')
    cells = ['from blood_cell_cancer.core.progress import progress_bar\nfor _ in progress_bar(range(3), "looking"): pass',
             TRAIN.format(data=data, keras=False)]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbclient.NotebookClient(nb, timeout=900, kernel_name='python3').execute()
    looking = [kind for o in nb.cells[0].outputs for kind in o.get('data', ())]
    assert 'application/vnd.jupyter.widget-view+json' in looking
    html = ''.join(o['data'].get('text/html', '') for o in nb.cells[1].outputs if 'data' in o)
    assert 'valid_loss' in html and 'epoch 1 of 2' not in ''.join(o.get('text', '') for o in nb.cells[1].outputs)
