"Runs a notebook as `nbdev_test` does. The newest fastai needs a fastcore with which only nbdev 3 works, so nbdev may be 2 or 3 here."
from configparser import ConfigParser
from importlib.metadata import version
from inspect import signature
from pathlib import Path

from nbdev import test as nbdev_runner
from pytest import MonkeyPatch

ROOT = Path(__file__).parents[1]
NBDEV_3 = int(version('nbdev').split('.')[0]) >= 3 # reads pyproject.toml in the place of settings.ini


def run_notebook(path):
    "Run `path` from top to bottom but for the cells that `settings.ini` leaves out; gives its variables, or fails."
    settings, shells, plain = ConfigParser(delimiters=['=']), [], nbdev_runner.CaptureShell
    settings.read(ROOT/'settings.ini', encoding='utf-8')
    def kept(*args, **kwargs):
        shells.append(plain(*args, **kwargs))
        return shells[-1]
    # Without a profile and a time limit, as nbdev 2 has neither.
    limits = dict(profile=False, cell_timeout=None) if 'profile' in signature(nbdev_runner.test_nb).parameters else {}
    with MonkeyPatch.context() as m:
        m.chdir(ROOT)
        m.setattr(nbdev_runner, 'CaptureShell', kept)
        passed, _ = nbdev_runner.test_nb(path, skip_flags=settings['DEFAULT']['tst_flags'].split(), basepath=ROOT, **limits)
    assert passed, f'{path.relative_to(ROOT)} failed; its traceback is in the captured output'
    return shells[0].user_ns
