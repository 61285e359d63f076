#!/usr/bin/env bash
# Wilkinghoff 2024 (AdaProj), the five losses of Table 1 and the ensemble of Figure 3, on the
# given data, else on the generated mini corpus. With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/wilkinghoff2024/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system wilkinghoff2024 "$@"
fi
python -m asdkeras.eval --system wilkinghoff2024 --variant adaproj --untrained "$@"
for variant in ic_compactness ic_compactness_cce adacos subcluster_adacos adaproj adaproj_ensemble; do
    python -m asdkeras.eval --system wilkinghoff2024 --variant "$variant" "$@"
done
