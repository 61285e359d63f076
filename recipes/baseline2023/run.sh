#!/usr/bin/env bash
# The official baseline of 2023: the autoencoder with both scores, also on data of 2024 and 2025, on the given data, else on the
# generated mini corpus. With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/baseline2023/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system baseline2023 "$@"
fi
python -m asdkeras.eval --system baseline2023 --variant mse --untrained "$@"
for variant in mse mahalanobis; do
    python -m asdkeras.eval --system baseline2023 --variant "$variant" "$@"
done
