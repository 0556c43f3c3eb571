"What the Dockerfile says holds here too: its files exist, its constraints are the locked versions, its command has these options."
import json
import re
import subprocess
from pathlib import Path

from packaging.requirements import Requirement
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
LINES = re.sub(r'\\\n', '', (ROOT/'Dockerfile').read_text()).splitlines()
said = lambda word: [line.split(' ', 1)[1] for line in LINES if line.startswith(word + ' ')]


def test_what_is_copied_exists_and_holds_what_setup_needs():
    copied = [name for line in said('COPY') for name in line.split()[:-1]]
    assert not [name for name in copied if not (ROOT/name).exists()]
    assert {'settings.ini', 'setup.py', 'data', 'blood_cell_cancer', 'requirements'} <= set(copied)


def test_the_constraints_are_the_locked_versions(tmp_path):
    sed = next(part.strip() for part in said('RUN')[0].split('&&') if part.strip().startswith('sed'))
    subprocess.run(sed.replace('constraints.txt', str(tmp_path/'c.txt')), shell=True, check=True, cwd=ROOT)
    pins = [Requirement(line) for line in (tmp_path/'c.txt').read_text().splitlines()]
    locked = re.findall(r'^([\w.-]+)(?:\[[^]]*\])?==(\S+)', (ROOT/'requirements'/'dev.txt').read_text(), re.M)
    assert len(pins) == len(locked) > 200 and not [p for p in pins if p.extras] # pip takes no extras in constraints
    assert [(p.name, str(p.specifier)) for p in pins] == [(name, f'=={version}') for name, version in locked]
    assert {'torch', 'voila', 'ipykernel'} <= {p.name for p in pins}


def test_the_command_has_these_options():
    from blood_cell_cancer.use.cli import app
    program, command, *options = json.loads(said('ENTRYPOINT')[0])
    told = CliRunner().invoke(app, [command, '--help']).output
    assert program == 'blood-cells' and not [o for o in options if o.startswith('--') and o not in told]
