"Run nbdev_test and pytest, and end with one line that counts tests passed and failed."
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

bin_dir = Path(sys.executable).parent
# Two workers on two cores: one computing thread each, or they stand in each other's way.
env = {**os.environ, 'OMP_WAIT_POLICY': 'passive', 'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', '1'), 'MPLBACKEND': 'agg', 'TF_CPP_MIN_LOG_LEVEL': '2'}


def run_notebooks() -> tuple[int, int]:
    "Passed and failed notebooks."
    names = [p for p in Path('nbs').rglob('*.ipynb') if not p.name.startswith(('.', '_')) and '.ipynb_checkpoints' not in p.parts]
    done = subprocess.Popen([bin_dir/'nbdev_test', '--n_workers', '2', '--timing'], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in done.stdout:
        print(line, end='', flush=True)
        lines.append(line)
    code = done.wait()
    failed = len({m for m in re.findall(r'^\t(\S+\.ipynb)\s*$', ''.join(lines), re.M)})
    # A runner that died without naming a notebook has failed all the same.
    failed = max(failed, int(code != 0))
    return len(names) - failed, failed


def run_pytest() -> tuple[int, int, int]:
    "Passed, failed and skipped tests."
    with TemporaryDirectory() as tmp:
        xml = Path(tmp)/'junit.xml'
        subprocess.run([sys.executable, '-m', 'pytest', '-q', 'tests', '--durations=8', f'--junitxml={xml}'], env=env)
        if not xml.exists(): return 0, 1, 0
        suite = ElementTree.parse(xml).getroot().find('testsuite').attrib
    bad = int(suite['failures']) + int(suite['errors'])
    return int(suite['tests']) - bad - int(suite['skipped']), bad, int(suite['skipped'])


if __name__ == '__main__':
    nb_ok, nb_bad = run_notebooks()
    ok, bad, skipped = run_pytest()
    print(f'notebooks: {nb_ok} passed, {nb_bad} failed; pytest: {ok} passed, {bad} failed, {skipped} skipped')
    print(f'{nb_ok + ok} passed, {nb_bad + bad} failed, {skipped} skipped')
    sys.exit(bool(nb_bad + bad))
