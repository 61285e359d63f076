#!/usr/bin/env bash
# The official autoencoder of 2020 on the given data, else on the generated mini corpus.
# Its networks are scored as they start, too: the controls.
# Usage: recipes/baseline2020/run.sh [--data DIR] [--set KEY=VALUE] ...
set -euo pipefail
python -m asdkeras.eval --system baseline2020 --untrained "$@"
python -m asdkeras.eval --system baseline2020 "$@"
