#!/bin/sh
# The shipped model `differential` by one command (about two hours on two cores; start it again to go on where it was killed):
#   BLOOD_CELLS_DATA=folder sh benchmarks/differential.sh tf_efficientnet_lite0.in1k.safetensors
set -e
cd "$(dirname "$0")"
python unseen_full.py --weights "$1" --work ../runs/differential/1 --steps 2200 --stop 1800
python unseen_full.py --weights "$1" --work ../runs/differential/2 --steps 1000 --stop 600 --scale .8 --masked .5 --lr 2e-4 --seed 1 \
    --init ../runs/differential/1/net.pt
python ship_differential.py ../runs/differential/1 ../runs/differential/2
python ship_nucleus.py
python laboratories.py differential
