#!/bin/sh
# Four trainings for benchmarks/unseen_seeds.py, two of them side by side (two hours on two cores; start it again to go on where it was killed):
#   BLOOD_CELLS_DATA=folder sh benchmarks/seeds.sh tf_efficientnet_lite0.in1k.safetensors
set -e
weights=$(realpath "$1")
export BLOOD_CELLS_DATA="$(realpath "$BLOOD_CELLS_DATA")"
cd "$(dirname "$0")"
one() { name=$1; shift; python unseen_full.py --weights "$weights" --work ../runs/seeds/"$name" --steps 1000 --stop 900 --scale .8 --threads 1 "$@" >> ../runs/"$name".log; }
mkdir -p ../runs
one styled --seed 21 & one styled-masked --seed 22 --masked .5
wait
one styled-allow --seed 21 --allow
one styled-masked-224 --seed 22 --masked .5 --size 224 # what is shipped
python unseen_seeds.py ../runs/seeds/styled ../runs/seeds/styled-masked --alone ../runs/seeds/styled-allow ../runs/seeds/styled-masked-224
