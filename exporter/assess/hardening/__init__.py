"""The hardening checks: one file each, named by its id. A new check is a file and a line here."""

from exporter.assess.check import Check
from exporter.assess.hardening import (
    all_capabilities_dropped,
    auto_remove,
    cpu_limited,
    limits_redundant,
    macvlan_network,
    memory_limited,
    no_new_privileges,
    own_slice,
    pids_limited,
    private_user_namespace,
    read_only_rootfs,
    resource_accounting,
    restart_paced,
    rootful,
    seccomp_filtered,
    selinux_confined,
)

CHECKS: tuple[Check, ...] = (
    rootful.CHECK,
    read_only_rootfs.CHECK,
    auto_remove.CHECK,
    all_capabilities_dropped.CHECK,
    no_new_privileges.CHECK,
    private_user_namespace.CHECK,
    selinux_confined.CHECK,
    seccomp_filtered.CHECK,
    own_slice.CHECK,
    resource_accounting.CHECK,
    memory_limited.CHECK,
    cpu_limited.CHECK,
    pids_limited.CHECK,
    limits_redundant.CHECK,
    restart_paced.CHECK,
    macvlan_network.CHECK,
)
