#!/usr/bin/env bash
# Checks the rules, their unit tests and the sample configurations with Prometheus' and Alertmanager's own tools.
set -euo pipefail
cd "$(dirname "$0")/../alerts"

for tool in promtool:prometheus amtool:prometheus-alertmanager; do
  command -v "${tool%%:*}" >/dev/null || {
    printf '%s is not installed, and the alert rules cannot be checked without it.\n' "${tool%%:*}" >&2
    printf 'Install it with `apt-get install --no-install-recommends %s`, or from https://prometheus.io/download/.\n' "${tool##*:}" >&2
    exit 1
  }
done

# Each test of the rules makes a database, and waits for a disk unless that is in memory.
if [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi

# Their success is worth no line, their failure worth every line.
quietly() {
  local said
  said=$("$@" 2>&1) || { printf '%s\n\nfailed: %s\n' "$said" "$*" >&2; exit 1; }
}

quietly promtool check rules rules/*.yml
quietly promtool test rules tests/*.test.yml
quietly promtool check config prometheus.yml
quietly amtool check-config alertmanager.yml
