#!/usr/bin/env bash
# Kuroyanagi 2021, the rows of Table 1 that are not baselines, on the given data, else on the
# generated mini corpus. With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/kuroyanagi2021/run.sh [--data DIR] [--variant V] [--jobs N] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system kuroyanagi2021 "$@"
fi
for network in ae bc; do
    python -m asdkeras.eval --system kuroyanagi2021 --variant "$network" --untrained "$@"
done
for variant in ae bc ae_ensemble bc_ensemble mix max_of_rows; do
    python -m asdkeras.eval --system kuroyanagi2021 --variant "$variant" "$@"
done
