#!/bin/sh
# The shipped model `differential` by one command (about an hour on two cores; start it again to go on where it was killed):
#   BLOOD_CELLS_DATA=folder sh benchmarks/differential.sh tf_efficientnet_lite0.in1k.safetensors
set -e
weights=$(realpath "$1")
export BLOOD_CELLS_DATA="$(realpath "$BLOOD_CELLS_DATA")"
cd "$(dirname "$0")"
python unseen_full.py --weights "$weights" --work ../runs/seeds/styled-masked-224 --steps 1000 --stop 900 --scale .8 --masked .5 --size 224 --threads 1 --seed 22
python ship_differential.py ../runs/seeds/styled-masked-224
python ship_nucleus.py
python laboratories.py differential
