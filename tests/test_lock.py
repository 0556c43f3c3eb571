"The locks in `requirements/` are complete and in step with `settings.ini`, and name no place that they were made at."
import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

root = Path(__file__).parents[1]
cfg = ConfigParser(delimiters=['='])
cfg.read(root/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']


def locked(name:str # base, dev or offline
          )->set: # (package, version)
    lines = (root/f'requirements/{name}.txt').read_text(encoding='utf-8').splitlines()
    return {(m[1], m[2]) for line in lines if (m := re.match(r'([a-z0-9.-]+)==(\S+)', line))}


def wanted(name): return [Requirement(r) for key, value in cfg.items() for r in value.split()
                          if key == 'requirements' or name == 'dev' and key.endswith('_requirements') and key != 'offline_requirements']


@pytest.mark.parametrize('name', ['base', 'dev'])
def test_lock_holds_what_settings_ask_for(name):
    pins = locked(name)
    for need in wanted(name):
        versions = [version for package, version in pins if package == need.name.lower()]
        assert versions and all(need.specifier.contains(v) for v in versions), f'{need} against {versions}: run `make update`'


def test_offline_packages_are_the_settings_own():
    assert locked('offline') == {tuple(r.split('==')) for r in cfg['offline_requirements'].split()}


def test_both_locks_agree():
    "So `make demo` and `make test` can share .venv."
    assert locked('base') <= locked('dev')


@pytest.mark.parametrize('name', ['base', 'dev', 'offline'])
def test_every_pin_has_hashes_and_no_place(name):
    text = (root/f'requirements/{name}.txt').read_text(encoding='utf-8')
    body = [line for line in text.splitlines() if not line.startswith('#')]
    for line in body: assert re.fullmatch(r'[a-z0-9.-]+==[^/]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?', line), line
    pinned = [i for i, line in enumerate(body) if not line.startswith(' ')]
    assert pinned and all(body[i+1].startswith('    --hash') for i in pinned)
