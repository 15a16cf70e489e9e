#!/usr/bin/env bash
# Makes the virtual environment $1 from the lock file $2; installs Debian packages that are missing.
# The system's own Python is used because PyGObject (gi), which pydbus needs, comes from the distribution.
set -euo pipefail
venv=$1
lock=${2:-tests/locks/newest.txt}
say() { printf '==> %s\n' "$*"; }
# apt waits for the lock of dpkg by itself, and not for that of the lists: another make may hold it for a moment.
update() {
  local tries=0
  until "$@" apt-get update -qq; do
    tries=$((tries + 1)); [ "$tries" -lt 6 ] || return 1
    say "apt-get update failed, trying again in 10 s"; sleep 10
  done
}

wanted=(python3-venv python3-gi gir1.2-glib-2.0 dbus prometheus prometheus-alertmanager)
if command -v dpkg-query >/dev/null; then
  missing=()
  for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    say "installing Debian packages: ${missing[*]} (a minute, once)"
    update "${as_root[@]}"
    # Prometheus and Alertmanager are here for promtool and amtool: their services are not to start.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}" >/dev/null
  fi
else
  say "no dpkg here: Python 3.11 or later with venv and PyGObject, promtool and amtool have to be installed already"
fi

python=
for candidate in /usr/bin/python3 python3; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || { echo "bulkhead needs Python 3.11 or later: install it and run make again" >&2; exit 1; }
if [ ! -x "$venv/bin/python" ]; then
  say "making $venv with $("$python" --version)"
  "$python" -m venv --system-site-packages "$venv"
fi
say "installing Python packages from $lock"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --no-deps --ignore-installed -r "$lock"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
