"""The packages of the lab, as tables: of the machine that builds, of the guest, of what is compiled."""

from __future__ import annotations

import os

RELEASE = os.environ.get("LAB_RELEASE") or "trixie"
"""Debian's release in the guest: trixie has podman 5.4, forky 5.8."""
TOOLS_RELEASE = "trixie"
"""Debian's release that the emulator and the source of the UML kernel come from, whatever runs in the guest."""

HOST_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",  # a test mounts one in the guest
    "ssh": "openssh-client",
    "ip": "iproute2",
    "zstd": "zstd",
    "unshare": "util-linux",
}
"""Command and the package that has it."""

KERNEL_SOURCE = "linux-source-7.2"
"""What the user-mode kernel is made from. UML of 6.12 does not run on processors with AMX; 7.2 with seccomp=on does."""

UML_BUILD_PACKAGES = (
    "gcc",
    "make",
    "flex",
    "bison",
    "libelf-dev",
    "libssl-dev",
    "bc",
    "cpio",
    "kmod",
    "xz-utils",
    "python3",
)
"""Of the machine that builds, where no ready-made user-mode kernel fits."""

EMULATOR_PACKAGES = ["qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu"]
"""Of the guest's release on every host. QEMU before 8.1 may run what the other processor of the guest has just changed:
the kernel, which rewrites itself while it runs, then dies of an int3 (seen at boot, in sched_clock_cpu).
"""

GUEST_PACKAGES = [
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "uidmap",
    "e2fsprogs",
    "openssh-server",
    "nftables",
    "busybox-static",
    "libpam-systemd",
    "podman",
    "crun",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "fuse-overlayfs",
    "passt",
    "dbus-user-session",
    "zfsutils-linux",
    "selinux-policy-default",
    "selinux-utils",
    "policycoreutils",
    "attr",
    "auditd",
    "systemd-oomd",
    "dmsetup",
    "prometheus",
    "prometheus-alertmanager",
    "jq",
    "strace",
    "curl",
    "procps",
    "iproute2",
    "ca-certificates",
    "openssl",
    "python3-gi",
    "python3-pydbus",
    "python3-podman",
    "python3-prometheus-client",
    "python3-requests",
    "python3-pyzfs",
    "python3-msgspec",
    "python3-yaml",
    "python3-bcrypt",
    "python3-hypothesis",
    "python3-pytest",
]

NOT_AT_BOOT = [
    "prometheus.service",
    "prometheus-alertmanager.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "man-db.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "logrotate.timer",
    "dpkg-db-backup.timer",
    "prometheus-node-exporter.runtime.process",
    "systemd-networkd-wait-online.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
]
"""Costs much in emulation and gives a test nothing; tests start Prometheus with settings of their own."""
