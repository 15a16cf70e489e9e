"""The kernels that are installed.

/boot/vmlinuz-6.12.117+deb13-amd64           Debian
/lib/modules/5.14.0-570.el9.x86_64/vmlinuz   RHEL, and /boot/vmlinuz-5.14.0-570.el9.x86_64
/boot/vmlinuz-0-rescue-MACHINE_ID            no release of a kernel
"""

from __future__ import annotations

import re
from pathlib import Path

_RELEASE = re.compile(r"[1-9][0-9]*\.[0-9]+[0-9A-Za-z._+~-]{0,100}")
_MAX_KERNELS = 100


def installed_kernels(root: Path) -> tuple[str, ...] | None:
    """Their releases as `uname -r` says them; None when a directory could not be listed."""
    found: set[str] = set()
    try:
        found |= {path.name.removeprefix("vmlinuz-") for path in _children(root / "boot", "vmlinuz-*")}
        found |= {path.parent.name for path in _children(root / "lib/modules", "*/vmlinuz")}
    except OSError:
        return None
    return tuple(sorted(release for release in found if _RELEASE.fullmatch(release)))[:_MAX_KERNELS]


def _children(directory: Path, pattern: str) -> list[Path]:
    if not directory.is_dir():
        return []
    next(directory.iterdir(), None)  # glob() passes over a directory that it may not list
    return list(directory.glob(pattern))
