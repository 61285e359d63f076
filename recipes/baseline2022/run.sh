#!/usr/bin/env bash
# The official baseline of 2022: autoencoder and MobileNetV2, on the given data, else on the
# generated mini corpus. With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/baseline2022/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system baseline2022 "$@"
fi
for variant in ae mobilenetv2; do
    python -m asdkeras.eval --system baseline2022 --variant "$variant" --untrained "$@"
    python -m asdkeras.eval --system baseline2022 --variant "$variant" "$@"
done
