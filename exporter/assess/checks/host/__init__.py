"""The host's own checks: one file each, named by its id. A new check is a file and a line here."""

from exporter.assess.checks.check import HostCheck
from exporter.assess.checks.host import (
    automatic_updates,
    cgroup_v2,
    clock_synchronised,
    dmesg_restricted,
    firewall_default_deny,
    kernel_lockdown,
    kexec_disabled,
    kptr_restricted,
    modules_locked_or_signed,
    ptrace_scoped,
    reboot_not_pending,
    selinux_enforcing,
    subids_for_containers,
    unprivileged_bpf_disabled,
    waivers_current,
    zfs_pool_healthy,
)

HOST_CHECKS: tuple[HostCheck, ...] = (
    selinux_enforcing.CHECK,
    kernel_lockdown.CHECK,
    kptr_restricted.CHECK,
    dmesg_restricted.CHECK,
    unprivileged_bpf_disabled.CHECK,
    ptrace_scoped.CHECK,
    kexec_disabled.CHECK,
    modules_locked_or_signed.CHECK,
    cgroup_v2.CHECK,
    subids_for_containers.CHECK,
    automatic_updates.CHECK,
    reboot_not_pending.CHECK,
    firewall_default_deny.CHECK,
    zfs_pool_healthy.CHECK,
    clock_synchronised.CHECK,
    waivers_current.CHECK,
)
