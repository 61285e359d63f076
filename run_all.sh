#!/usr/bin/env bash
# Every paper's recipe script, with the same options for each, such as --data DIR; without
# it they use the generated mini corpus.
set -euo pipefail
cd "$(dirname "$0")"
for recipe in recipes/*/run.sh; do
    bash "$recipe" "$@"
done
