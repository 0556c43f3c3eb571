#!/bin/sh
# Three trainings beside the shipped one of differential.sh, for benchmarks/unseen_seeds.py (two hours on two cores; start it again to go on where it was killed):
#   BLOOD_CELLS_DATA=folder sh benchmarks/seeds_224.sh tf_efficientnet_lite0.in1k.safetensors
set -e
weights=$(realpath "$1")
export BLOOD_CELLS_DATA="$(realpath "$BLOOD_CELLS_DATA")"
cd "$(dirname "$0")"
one() { name=$1; shift; python unseen_full.py --weights "$weights" --work ../runs/seeds/"$name" --scale .8 --masked .5 --size 224 --threads 1 --seed 22 "$@" >> ../runs/"$name".log; }
mkdir -p ../runs
one long-224 --steps 2000 --unit 1.4 --keep & one nucleus-224 --steps 1000 --stop 900 --colour nucleus
wait
one blur-224 --steps 1000 --stop 900 --unit 1.4
python unseen_seeds.py --size 224 --out seeds_224.csv --alone ../runs/seeds/long-224 ../runs/seeds/nucleus-224 ../runs/seeds/blur-224
