"""Whether updates are installed by themselves, and when last.

apt: unattended-upgrade(8) is installed, and apt's daily job is told to run it, in /etc/apt/apt.conf.d/*:

    APT::Periodic::Unattended-Upgrade "1";

Its last success is the time of /var/lib/apt/periodic/upgrade-stamp or unattended-upgrades-stamp.

dnf: dnf-automatic(8), a timer that is linked below /etc/systemd/system/timers.target.wants, and in
/etc/dnf/automatic.conf `apply_updates = yes`, but for dnf-automatic-install.timer. dnf keeps no stamp; systemd keeps
that of the timer's last start: /var/lib/systemd/timers/stamp-NAME.timer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from exporter.facts.host import Updates

_MAX_FILE_BYTES = 1 << 16
_MAX_FILES = 200
_APT_STAMPS = ("var/lib/apt/periodic/upgrade-stamp", "var/lib/apt/periodic/unattended-upgrades-stamp")
_INSTALLING_TIMER = "dnf-automatic-install.timer"
_DNF_TIMERS = (_INSTALLING_TIMER, "dnf-automatic.timer", "dnf5-automatic.timer")
_DNF_SETTINGS = (
    "usr/share/dnf5/dnf5-plugins/automatic.conf",
    "etc/dnf/automatic.conf",
    "etc/dnf/dnf5-plugins/automatic.conf",
)
_APT_SETTING = re.compile(r"^[^/#\n]*\b(Unattended-Upgrade|Enable)\s+\"([^\"]*)\"", re.MULTILINE)
_DNF_SETTING = re.compile(r"^\s*apply_updates\s*=\s*(\w+)", re.MULTILINE)
_NEVER = frozenset({"", "0", "false", "no"})


def read_updates(root: Path) -> Updates:
    """What the host below `root` does about updates."""
    if (root / "var/lib/dpkg/status").exists():
        return Updates("apt", _apt_installs(root), _newest(root / stamp for stamp in _APT_STAMPS))
    if (root / "etc/dnf").exists():
        timers = [timer for timer in _DNF_TIMERS if _is_link(root / "etc/systemd/system/timers.target.wants" / timer)]
        started = _newest(root / "var/lib/systemd/timers" / f"stamp-{timer}" for timer in timers)
        return Updates("dnf", _dnf_installs(root, timers), started)
    return Updates("")


def parse_apt_periodic(text: str) -> dict[str, str]:
    """The last value of Unattended-Upgrade and of Enable in settings of apt.conf(5)."""
    return {found[1]: found[2] for found in _APT_SETTING.finditer(text)}


def parse_apply_updates(text: str) -> bool | None:
    """The last apply_updates of automatic.conf; None when there is none."""
    words = _DNF_SETTING.findall(text)
    return words[-1].lower() not in _NEVER if words else None


def _apt_installs(root: Path) -> bool | None:
    if not (root / "usr/bin/unattended-upgrade").exists():
        return False
    try:
        files = sorted((root / "etc/apt/apt.conf.d").iterdir())[:_MAX_FILES]
        settings = parse_apt_periodic("\n".join(_text(path) for path in (*files, root / "etc/apt/apt.conf")))
    except OSError:
        return None
    return settings.get("Unattended-Upgrade", "0") not in _NEVER and settings.get("Enable", "1") not in _NEVER


def _dnf_installs(root: Path, timers: list[str]) -> bool | None:
    if not timers or _INSTALLING_TIMER in timers:
        return bool(timers)
    try:
        return bool(parse_apply_updates("\n".join(_text(root / path) for path in _DNF_SETTINGS)))
    except OSError:
        return None


def _newest(stamps: Iterable[Path]) -> float | None:
    times = []
    for stamp in stamps:
        try:
            times.append(stamp.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink() and path.readlink() != Path("/dev/null")
    except OSError:
        return False


def _text(path: Path) -> str:
    """The start of a regular file, "" for anything else."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES).decode(errors="replace")
