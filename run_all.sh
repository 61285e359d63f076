#!/usr/bin/env bash
# Every paper's recipe script, with the same options for each, such as --data DIR; without
# it they use the generated mini corpus. At the end a table of all runs side by side: of those
# in `runs`, or in DIR with --runs DIR.
set -euo pipefail
cd "$(dirname "$0")"
runs=runs
previous=
for argument in "$@"; do
    if [[ $previous == --runs ]]; then
        runs=$argument
    elif [[ $argument == --runs=* ]]; then
        runs=${argument#--runs=}
    fi
    previous=$argument
done
for recipe in recipes/*/run.sh; do
    bash "$recipe" "$@"
done
python -m asdkeras table "$runs"
