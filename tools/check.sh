#!/bin/sh
# Fails when modules, notebooks or README are out of step with each other, or ruff or mypy find a mistake. Works on a copy, so it changes nothing here.
set -e
here=$(pwd); copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
cp -r settings.ini setup.py blood_cell_cancer nbs "$copy"
cd "$copy"
"$here/.venv/bin/nbdev_export"
diff -r -x __pycache__ "$here/blood_cell_cancer" blood_cell_cancer || { echo 'the modules differ from the notebooks: run `make export`' >&2; exit 1; }
"$here/.venv/bin/nbdev_clean"
diff -r -q -x .ipynb_checkpoints "$here/nbs" nbs || { echo 'notebooks are not clean: run `make export`' >&2; exit 1; }
cd "$here"
.venv/bin/python tools/readme.py --check
.venv/bin/ruff check -q
.venv/bin/mypy --no-error-summary
echo 'modules, notebooks and README are in step'
