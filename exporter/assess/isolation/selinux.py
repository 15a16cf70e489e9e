"""Labels of SELinux: which container a volume's label lets in.

process    system_u:system_r:container_t:s0:c229,c276
with Z     system_u:object_r:container_file_t:s0:c229,c276      the container's own pair of categories
with z     system_u:object_r:container_file_t:s0                no categories: every container's
neither    system_u:object_r:var_t:s0                           a type that the policy keeps from containers
"""

from __future__ import annotations

from exporter.facts.process import ContainerProcesses
from exporter.facts.selinux import parse_context
from exporter.report.container import LabelKind

# What policies let containers write when the level allows it (container_selinux(8)).
_TYPES_OF_CONTAINERS = frozenset(
    {"container_file_t", "container_ro_file_t", "container_share_t", "svirt_sandbox_file_t", "virt_content_t"}
)


def type_and_level(label: str | None) -> tuple[str, str]:
    """`container_t` and `s0:c1,c2` of `system_u:system_r:container_t:s0:c1,c2`; both empty for any other text."""
    context = parse_context(label or "")
    return context.domain, context.written_level


def categories_of(label: str | None) -> frozenset[int] | None:
    """The categories that confine: 229 and 276 of c229,c276; no category gives the empty set, no SELinux label None."""
    return parse_context(label or "").categories


def label_kind(volume_label: str | None, process_label: str | None) -> LabelKind | None:
    """Which containers the label lets in; None where the process has no SELinux label to compare it with.

    Nor is there one to hold categories against where the process has none: podman labels what unconfined containers
    mount with Z for c1022,c1023, all of them alike.
    """
    own = categories_of(process_label)
    found = categories_of(volume_label)
    if own is None or (found and not own):
        return None
    if found:
        if found == own:
            return LabelKind.PRIVATE
        # A container that is cleared for more than the label asks for gets in too, beside the label's own container.
        return LabelKind.SHARED if found < (own or frozenset()) else LabelKind.FOREIGN
    if found is None or type_and_level(volume_label)[0] not in _TYPES_OF_CONTAINERS:
        return LabelKind.UNLABELLED
    return LabelKind.SHARED


def process_label(processes: ContainerProcesses | None) -> str | None:
    """The label in force of the container's first process."""
    return processes.processes[0].security_label if processes and processes.processes else None
