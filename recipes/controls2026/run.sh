#!/usr/bin/env bash
# All controls without a network on the given data, else on the generated mini corpus. With
# --variant V, that one alone.
# Usage: recipes/controls2026/run.sh [--data DIR] [--variant V] [--set KEY=VALUE] ...
set -euo pipefail
if [[ " $* " == *" --variant"* ]]; then
    exec python -m asdkeras.eval --system controls2026 "$@"
fi
for variant in mean_spectrum spectrum_deviation log_mel_statistics; do
    python -m asdkeras.eval --system controls2026 --variant "$variant" "$@"
done
