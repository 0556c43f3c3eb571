#!/bin/sh
# Renew the locks in requirements/: the newest versions that settings.ini allows, for Python 3.10 to 3.13 on Linux, macOS and Windows.
set -e
uv=$(command -v uv || echo .venv/bin/uv)
[ -x "$uv" ] || { echo 'uv is needed for this: make demo brings it, or pip install uv' >&2; exit 1; }
export UV_CUSTOM_COMPILE_COMMAND='make update'
lock="$uv pip compile -q --upgrade --universal --python-version 3.10 --generate-hashes --no-annotate --no-emit-index-url"
$lock setup.py --extra dev -o requirements/dev.txt
$lock setup.py -c requirements/dev.txt -o requirements/base.txt
sed -n 's/^offline_requirements = //p' settings.ini | tr ' ' '\n' | $lock --no-deps - -o requirements/offline.txt
