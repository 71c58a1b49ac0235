#!/usr/bin/env bash
# Installs into the virtual environment $1, with the versions of the lock file; uv where there is one, else pip.
set -euo pipefail
venv=$1
shift
if command -v uv >/dev/null 2>&1; then
  exec uv pip install --quiet --python "$venv/bin/python" --constraints constraints.lock "$@"
fi
exec "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.lock "$@"
