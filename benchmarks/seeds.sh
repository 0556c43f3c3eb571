#!/bin/sh
# Four trainings for benchmarks/unseen_seeds.py, two at a time (half an hour each pair on two cores; start it again to go on where it was killed):
#   BLOOD_CELLS_DATA=folder sh benchmarks/seeds.sh tf_efficientnet_lite0.in1k.safetensors
set -e
cd "$(dirname "$0")"
one() { name=$1; shift; python unseen_full.py --weights "$weights" --work ../runs/seeds/"$name" --steps 1000 --stop 900 --scale .8 --threads 1 "$@" >> ../runs/"$name".log; }
weights=$1
mkdir -p ../runs
one styled-mixed --seed 21 --mixed & one styled-mixed-masked --seed 22 --mixed --masked .5
wait
one mixed-grey --seed 23 --mixed --grey .2 --no-style & one styled-grey-masked --seed 24 --grey .2 --masked .25
wait
python unseen_seeds.py ../runs/seeds/*
