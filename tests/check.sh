#!/usr/bin/env bash
# Lints the alerts while the command that is given runs the tests, as most of the lint is waiting for a disk.
# What the lint says comes last: it would stand between the lines of the tests.
set -uo pipefail
said=$(mktemp)
trap 'rm -f "$said"' EXIT
bash "$(dirname "$0")/lint-alerts.sh" >"$said" 2>&1 &
lint=$!
"$@"
tests=$?
wait "$lint"
lint=$?
cat "$said"
[ "$tests" = 0 ] && [ "$lint" = 0 ]
