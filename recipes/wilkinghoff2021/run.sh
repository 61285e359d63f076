#!/usr/bin/env bash
# Wilkinghoff 2021: one network on the given data, else on the generated mini corpus.
# Usage: recipes/wilkinghoff2021/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
python -m asdkeras.eval --system wilkinghoff2021 "$@"
