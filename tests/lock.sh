#!/usr/bin/env bash
# Writes the two lock files: the newest of everything, and the lowest of what the product itself declares.
set -euo pipefail
.venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.7'
compile() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev "$@"; }
printf 'hatchling>=1.26\neditables>=0.5\n' > /tmp/bulkhead-build.in
compile --upgrade pyproject.toml /tmp/bulkhead-build.in -o tests/locks/newest.txt
compile --upgrade --resolution lowest-direct pyproject.toml /tmp/bulkhead-build.in -o tests/locks/lowest.txt
rm /tmp/bulkhead-build.in
