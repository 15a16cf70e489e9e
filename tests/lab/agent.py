"""Bulkhead itself in the lab: install this working tree in the guest, run it as its unit, read its page."""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.lab.machine import Machine

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALLED = ("exporter", "alerts", "dashboards", "systemd")
HOME = "/opt/bulkhead"
COLLECTOR, FRONT = "bulkhead-collector", "bulkhead"
UNITS = f"{COLLECTOR} {FRONT}"
URL = "http://127.0.0.1:9946"

Page = dict[str, list[tuple[Mapping[str, str], float]]]
"""Samples by the name they have on the page: labels and value, in the page's order."""

LAUNCHER = f"""\
#!/bin/sh
exec env PYTHONPATH={HOME} PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m exporter "$@"
"""

# Other guests and the machine of the lab read the page, too; the default is loopback alone.
EVERYWHERE = 'listen = ":9946"\n'
# Shorter than the defaults, so that a test sees soon what it did.
QUICK_CLOCKS = """\
[clocks]
podman_seconds = 10
process_seconds = 5
systemd_seconds = 5
quadlet_seconds = 10
zfs_seconds = 20
zfs_mounted_seconds = 5
volume_seconds = 5
host_seconds = 10
firewall_seconds = 20
"""
# In software emulation an answer takes seconds.
SLOW_CLOCKS = """\
[clocks]
podman_seconds = 30
zfs_seconds = 60
"""
START_SECONDS = 240
DEADLINE_SECONDS = 240  # by when the page shows what was done to the host


def config(lab: Machine) -> str:
    """The agent's configuration in this guest."""
    return EVERYWHERE + (QUICK_CLOCKS if lab.engine.slowness == 1 else SLOW_CLOCKS)


def install_agent(lab: Machine) -> None:
    """Have this working tree run in the guest under its units, ready; costs one command if it already does."""
    tree = packed()
    digest = hashlib.sha256(tree + (LAUNCHER + config(lab)).encode()).hexdigest()
    running = f'test "$(cat {HOME}/digest)" = {digest} && curl -sfo /dev/null -m 60 {URL}/-/ready'
    if lab.run(running, check=False).returncode == 0:
        return
    lab.run(f"rm -rf {HOME} && mkdir -p {HOME} && tar -C {HOME} --no-same-owner -x", stdin=tree)
    lab.run("install -D -m 755 /dev/stdin /usr/bin/bulkhead", stdin=LAUNCHER.encode())
    lab.run("install -d -m 700 /etc/bulkhead && cat >/etc/bulkhead/config.toml", stdin=config(lab).encode())
    lab.run(f"install -D -m 644 {HOME}/systemd/sysusers.conf /etc/sysusers.d/bulkhead.conf && systemd-sysusers")
    lab.run(f"install -D -m 644 {HOME}/systemd/tmpfiles.conf /etc/tmpfiles.d/bulkhead.conf")
    lab.run("systemd-tmpfiles --create bulkhead.conf")
    lab.run(f"install -m 644 {HOME}/systemd/*.service /etc/systemd/system/")
    # Compiled once: otherwise each start in the emulated guest compiles everything again.
    lab.run(f"python3 -m compileall -q {HOME}/exporter && systemctl daemon-reload", timeout_seconds=300)
    lab.run("systemctl enable --now podman.socket")
    lab.run(f"systemctl enable {FRONT}")
    restart_agent(lab)
    lab.run(f"echo {digest} >{HOME}/digest")


def restart_agent(lab: Machine) -> None:
    """Both processes anew, and ready."""
    lab.run(f"systemctl restart {UNITS}", timeout_seconds=START_SECONDS)
    wait_until_ready(lab)


def wait_until_ready(lab: Machine, url: str = URL) -> None:
    """Until every source of the agent at `url` has answered or refused once; a LabError after some minutes."""
    lab.wait(lambda: curl(lab, f"{url}/-/ready") is not None, f"ready agent at {url}", timeout_seconds=START_SECONDS)


def curl(lab: Machine, url: str) -> str | None:
    """What the guest gets from `url`; None if nobody answers, or not with success."""
    answer = lab.run(f"curl -sf -m 60 {shlex.quote(url)}", check=False)
    return answer.stdout.decode() if answer.returncode == 0 else None


def metrics(lab: Machine, url: str = URL) -> Page:
    """The agent's page, fetched in the guest and parsed by Prometheus' own client library."""
    return parse(lab.ssh(f"curl -sSf -m 60 {shlex.quote(url)}/metrics"))


def page_when(lab: Machine, holds: Callable[[Page], bool], what: str, url: str = URL) -> Page:
    """The first page on which `holds`; every page until then has to be served."""
    last: Page = {}

    def seen() -> bool:
        nonlocal last
        last = metrics(lab, url)
        return holds(last)

    lab.wait(seen, what, timeout_seconds=DEADLINE_SECONDS, pause_seconds=1)
    return last


def parse(text: str) -> Page:
    """A page of the text format as samples by name."""
    page: Page = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            page.setdefault(sample.name, []).append((sample.labels, sample.value))
    return page


def by_container(page: Page, name: str) -> dict[str, float]:
    """The one value of each container under that name."""
    return {labels["container"]: value for labels, value in page.get(name, [])}


def by_collector(page: Page, name: str) -> dict[str, float]:
    """The one value of each collector under that name."""
    return {labels["collector"]: value for labels, value in page.get(name, [])}


def packed() -> bytes:
    """The installed directories as a tar that is the same for the same contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in _files():
            info = tarfile.TarInfo(str(path.relative_to(REPOSITORY)))
            content = path.read_bytes()
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _files() -> Iterator[Path]:
    for directory in INSTALLED:
        for path in sorted((REPOSITORY / directory).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield path
