"""The sections and keys that quadlet knows, podman 5.4 to 5.8 (podman-systemd.unit(5)).

A file with any other key in its own section or in [Quadlet] makes no unit at all. Sections that are not quadlet's
go to systemd as they are; one that systemd does not know either does nothing.
"""

from __future__ import annotations

import difflib

_ANY = "ContainersConfModule GlobalArgs PodmanArgs ServiceName"
_IDS = "GIDMap RemapGid RemapUid RemapUidSize RemapUsers SubGIDMap SubUIDMap UIDMap UserNS"
_HEALTH = """
    HealthCmd HealthInterval HealthLogDestination HealthMaxLogCount HealthMaxLogSize HealthOnFailure HealthRetries
    HealthStartPeriod HealthStartupCmd HealthStartupInterval HealthStartupRetries HealthStartupSuccess
    HealthStartupTimeout HealthTimeout
"""

KEYS = {
    section: frozenset(" ".join(keys).split())
    for section, keys in {
        "Container": (
            _ANY,
            _IDS,
            _HEALTH,
            """
            AddCapability AddDevice AddHost Annotation AppArmor AutoUpdate CgroupsMode ContainerName DNS DNSOption
            DNSSearch DropCapability Entrypoint Environment EnvironmentFile EnvironmentHost Exec ExposeHostPort Group
            GroupAdd HostName HttpProxy IP IP6 Image Label LogDriver LogOpt Mask Memory Mount Network NetworkAlias
            NoNewPrivileges Notify PidsLimit Pod PublishPort Pull ReadOnly ReadOnlyTmpfs ReloadCmd ReloadSignal Retry
            RetryDelay Rootfs RunInit SeccompProfile Secret SecurityLabelDisable SecurityLabelFileType
            SecurityLabelLevel SecurityLabelNested SecurityLabelType ShmSize StartWithPod StopSignal StopTimeout Sysctl
            Timezone Tmpfs Ulimit Unmask User VolatileTmp Volume WorkingDir
            """,
        ),
        "Pod": (
            _ANY,
            _IDS,
            """
            AddHost DNS DNSOption DNSSearch ExitPolicy HostName IP IP6 Label Network NetworkAlias PodName PublishPort
            ShmSize StopTimeout Volume
            """,
        ),
        "Volume": (_ANY, "Copy Device Driver GID Group Image Label Options Type UID User VolumeName"),
        "Network": (
            _ANY,
            """
            DNS DisableDNS Driver Gateway IPAMDriver IPRange IPv6 InterfaceName Internal Label NetworkDeleteOnStop
            NetworkName Options Subnet
            """,
        ),
        "Kube": (
            _ANY,
            """
            AutoUpdate ConfigMap ExitCodePropagation KubeDownForce LogDriver LogOpt Network PublishPort RemapGid
            RemapUid RemapUidSize RemapUsers SetWorkingDirectory UserNS Yaml
            """,
        ),
        "Image": (
            _ANY,
            """
            AllTags Arch AuthFile CertDir Creds DecryptionKey Image ImageTag OS Policy Retry RetryDelay TLSVerify
            Variant
            """,
        ),
        "Build": (
            _ANY,
            """
            Annotation Arch AuthFile BuildArg DNS DNSOption DNSSearch Environment File ForceRM GroupAdd IgnoreFile
            ImageTag Label Network Pull Retry RetryDelay Secret SetWorkingDirectory TLSVerify Target Variant Volume
            """,
        ),
        "Quadlet": ("DefaultDependencies",),
    }.items()
}
OWN_SECTION = {f".{section.lower()}": section for section in KEYS if section != "Quadlet"}
"""The section that a file of that suffix is about."""
_SYSTEMD_SECTIONS = frozenset({"Install", "Service", "Unit"})


def fault_of_section(name: str, own: str) -> str:
    """Why a section does nothing in a file about `own`; "" for one that does something."""
    if name in {own, "Quadlet", *_SYSTEMD_SECTIONS} or name.startswith("X-"):
        return ""
    if name in KEYS:
        return f"[{name}] does nothing in a {own.lower()} quadlet: its own section is [{own}]."
    return (
        f"neither quadlet nor systemd knows the section [{name}].{_meant(name, {own, 'Quadlet', *_SYSTEMD_SECTIONS})}"
    )


def fault_of_key(section: str, key: str) -> str:
    """Why quadlet refuses a file with this key; "" for a key that it knows, or leaves to systemd."""
    if section not in KEYS or key in KEYS[section]:
        return ""
    return f"quadlet knows no key {key}= in [{section}] and makes no unit of the file.{_meant(key, KEYS[section])}"


def _meant(word: str, known: frozenset[str] | set[str]) -> str:
    by_folded = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word[:100].lower(), sorted(by_folded), n=1)
    return f" Did you mean {by_folded[close[0]]}?" if close else ""
