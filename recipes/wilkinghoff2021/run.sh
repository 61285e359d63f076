#!/usr/bin/env bash
# Wilkinghoff 2021, Tables 2 to 5: all networks on the given data, else few on the generated
# mini corpus, then the ensembles they make. With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/wilkinghoff2021/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system wilkinghoff2021 "$@"
fi
python -m asdkeras.eval --system wilkinghoff2021 --untrained "$@"
# The last is for the machine types of DCASE 2021 alone.
for variant in all_40 two_heads_20 one_head_20 selected_20; do
    python -m asdkeras.eval --system wilkinghoff2021 --variant "$variant" "$@"
done
