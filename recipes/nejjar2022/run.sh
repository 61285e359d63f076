#!/usr/bin/env bash
# Nejjar 2022, the rows of Tables 2 and 3, on the given data, else on the generated mini corpus.
# With --variant V, that one alone.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/nejjar2022/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system nejjar2022 "$@"
fi
python -m asdkeras.eval --system nejjar2022 --variant dgmix --untrained "$@"
for variant in dgmix vicreg no_pretraining; do
    python -m asdkeras.eval --system nejjar2022 --variant "$variant" "$@"
done
