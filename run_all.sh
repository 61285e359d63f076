#!/usr/bin/env bash
# Every system's recipe script, first the controls, which the others must beat, with the same
# options for each, such as --data DIR; without it they use the generated mini corpus. A system that
# refuses, such as one without a recipe for these data, is left out. At the end a table of all runs
# side by side: of those in `runs`, or in DIR with --runs DIR.
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
shopt -s nullglob extglob
recipes=(recipes/controls*/run.sh recipes/!(controls*)/run.sh)
refused=()
for recipe in "${recipes[@]}"; do
    bash "$recipe" "$@" && continue || code=$?
    ((code == 2)) || exit "$code"  # 2: what was asked for cannot be done, and nothing broke.
    refused+=("$recipe")
    echo "run_all.sh: $recipe does not go on; the line above says why" >&2
done
((${#refused[@]} < ${#recipes[@]})) || exit 2
python -m asdkeras table "$runs"
