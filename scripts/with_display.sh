#!/usr/bin/env bash
# Runs a command under a virtual display where there is one to be had, else as it is.
set -euo pipefail
if command -v xvfb-run >/dev/null 2>&1; then
  exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" "$@"
fi
exec "$@"
