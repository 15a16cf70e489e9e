from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.selinux_confined import CHECK, is_confined
from exporter.report.findings import Verdict
from tests.assess.secure import (
    HOST,
    IN_THE_DARK,
    LABEL,
    PROCESS,
    SECURE,
    fails,
    passes,
    verdict,
    with_declared,
    with_process,
)


def test_a_confined_label_on_an_enforcing_host_passes() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize(
    "label",
    [None, "", "unconfined", "system_u:system_r:spc_t:s0", "a:b:spc_t:s0:c1,c2", "system_u:system_r:container_t:s0"],
)
def test_a_process_without_a_confined_label_fails_with_drift(label: str | None) -> None:
    assert fails(CHECK, with_process(security_label=label), drift=True)


def test_label_disable_fails_without_drift() -> None:
    subject = with_declared(selinux_process_label="")
    assert fails(CHECK, replace(subject, processes=with_process(security_label="a:b:spc_t:s0").processes))


def test_a_permissive_host_fails_however_good_the_label() -> None:
    assert fails(CHECK, replace(SECURE, host=replace(HOST, selinux_mode="permissive")))


def test_a_permissive_domain_fails_on_a_host_that_enforces_and_is_unknown_where_the_policy_was_not_read() -> None:
    assert fails(CHECK, replace(SECURE, host=replace(HOST, permissive_types=("container_t",))))
    assert passes(CHECK, replace(SECURE, host=replace(HOST, permissive_types=("container_init_t",))))
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, permissive_types=None))) is Verdict.UNKNOWN
    loose = with_process(security_label="a:b:spc_t:s0")
    assert fails(CHECK, replace(loose, host=replace(HOST, permissive_types=None)), drift=True)


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_a_host_without_any_access_control_fails_and_one_with_apparmor_is_not_judged(mode: str | None) -> None:
    assert fails(CHECK, replace(SECURE, host=replace(HOST, selinux_mode=mode)))
    with_apparmor = replace(HOST, selinux_mode=mode, apparmor_enabled=True)
    assert verdict(CHECK, replace(SECURE, host=with_apparmor)) is Verdict.NOT_APPLICABLE


def test_a_label_that_could_not_be_read_is_unknown_unless_another_process_is_not_confined() -> None:
    nameless = with_process(security_label=None).processes
    assert nameless is not None
    denied = replace(nameless, unreadable=("4002: attr/current: Permission denied",))
    assert verdict(CHECK, replace(SECURE, processes=denied)) is Verdict.UNKNOWN
    loose = replace(denied, processes=(replace(PROCESS, security_label="unconfined"), *denied.processes[1:]))
    assert fails(CHECK, replace(SECURE, processes=loose), drift=True)
    assert fails(CHECK, replace(SECURE, processes=replace(denied, unreadable=("4002: net/dev: denied",))), drift=True)


def test_an_unreadable_host_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN


def test_a_label_is_confined_by_its_type_and_its_categories() -> None:
    assert is_confined(LABEL)
    assert is_confined("system_u:system_r:container_init_t:s0:c1,c1023")
    assert is_confined("system_u:system_r:container_t:s0:c?,c?")
    assert is_confined("system_u:system_r:container_t:s0-s0:c1,c2")
    assert not is_confined("system_u:system_r:unconfined_t:s0:c1,c2")


@pytest.mark.parametrize(
    "domain",
    [
        *("rpm_t", "sysadm_t", "no_such_t", "svirt_tcg_t", "container_runtime_t", "container_engine_t"),
        *("container_device_t", "container_device_plugin_t", "container_logwriter_t", "container_user_t"),
    ],
)
def test_a_type_that_is_not_made_to_keep_a_container_in_fails(domain: str) -> None:
    label = f"system_u:system_r:{domain}:s0:c229,c276"
    assert fails(CHECK, with_process(security_label=label), drift=True)
    asked = replace(with_declared(selinux_process_label=label), processes=with_process(security_label=label).processes)
    assert fails(CHECK, asked)


@pytest.mark.parametrize("domain", ["container_t", "container_init_t", "container_kvm_t", "container_logreader_t"])
def test_the_types_of_containers_pass(domain: str) -> None:
    assert passes(CHECK, with_process(security_label=f"system_u:system_r:{domain}:s0:c229,c276"))


@pytest.mark.parametrize("level", ["s0:c0.c1023", "s0-s0:c0.c1023", "s0:c5.c40", "s0:c1.c10,c20.c30"])
def test_a_label_that_is_cleared_for_very_many_categories_walls_nothing(level: str) -> None:
    assert not is_confined(f"system_u:system_r:container_t:{level}")
