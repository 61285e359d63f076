#!/usr/bin/env bash
# Venkatesh 2022, the rows of Tables 2 and 3, on the given data, else on the generated mini
# corpus. With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/venkatesh2022/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system venkatesh2022 "$@"
fi
for network in disent_cat anp_boot; do
    python -m asdkeras.eval --system venkatesh2022 --variant "$network" --untrained "$@"
done
for variant in disent_cat disent_wt disent_sec disent_att mtl sec_arcface sec_softmax \
    anp_boot msl msl_anp; do
    python -m asdkeras.eval --system venkatesh2022 --variant "$variant" "$@"
done
