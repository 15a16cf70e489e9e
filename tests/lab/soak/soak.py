"""Runs in the guest: restarts healthy containers, and compares every life with what the kernel and podman say of it.

    python3 soak.py ROUNDS SEED CONTAINERS AT_ONCE SECONDS >result.json

In each round some of the containers are restarted in random order and overlap, beside a busy processor; then everything
is left alone until the page is complete, and each life is compared. Between and during the rounds the page is read
every second, and each check that is not passed, each drift and each unknown is noted.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

URL = "http://127.0.0.1:9946"
CGROUP = "/sys/fs/cgroup"
SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
COMPLETE_SECONDS = 60
SIGHTINGS_MAX = 40
SETTLE_SECONDS = 2
WATCHED = (
    "bulkhead_container_hardening_check",
    "bulkhead_container_hardening_unknown",
    "bulkhead_container_hardening_drift",
    "bulkhead_container_limit_drift",
)

Samples = dict[str, list[tuple[dict[str, str], float]]]


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600).stdout


def page() -> Samples:
    with urllib.request.urlopen(f"{URL}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found: Samples = {}
    for line in text.splitlines():
        matched = SAMPLE.match(line)
        if matched:
            found.setdefault(matched[1], []).append((dict(LABEL.findall(matched[2])), float(matched[3])))
    return found


def not_judged() -> list[str]:
    """What the page for people says of checks that could not be judged, each once."""
    try:
        with urllib.request.urlopen(f"{URL}/", timeout=30) as answer:
            html = answer.read().decode()
    except OSError as error:
        return [str(error)]
    gaps = (part.partition("</details>")[0] for part in html.split("Not judged")[1:])
    items = (re.sub(r"<[^>]*>", " ", item)[:300] for part in gaps for item in part.split("<li>")[1:])
    return list(dict.fromkeys(items))[:5]


def text(path: str) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:
        return None


def number(path: str) -> int | None:
    said = (text(path) or "").strip()
    return int(said) if said.isdigit() else None


# --- what the kernel says of one life; found through /proc alone, not as the agent does ---


def payloads() -> dict[str, tuple[str, list[int]]]:
    """By container id: the payload's cgroup, and the processes in it."""
    found: dict[str, tuple[str, list[int]]] = {}
    for file in map(str, Path("/proc").glob("[0-9]*/cgroup")):
        path = (text(file) or "").partition("::")[2].strip()
        matched = re.search(r"/libpod-payload-([0-9a-f]{64})$", path)
        if matched:
            found.setdefault(matched[1], (path, []))[1].append(int(file.split("/")[2]))
    return found


def limits(path: str) -> dict[tuple[str, str], float]:
    """By resource and level, as the page names them."""
    found: dict[tuple[str, str], float] = {}
    service, home = path.rpartition("/")[0], path.rpartition("/")[0].rpartition("/")[0]
    for level, at in (("payload", path), ("service", service), ("slice", home)):
        for resource, file in (
            ("memory_bytes", "memory.max"),
            ("memory_high_bytes", "memory.high"),
            ("pids", "pids.max"),
        ):
            value = number(f"{CGROUP}{at}/{file}")
            if value is not None:
                found[resource, level] = value
        quota, _, period = (text(f"{CGROUP}{at}/cpu.max") or "max 1").partition(" ")
        if quota != "max":
            found["cpu_cores", level] = int(quota) / int(period)
    return found


def differences(name: str, samples: Samples, path: str, pids: list[int], identity: str) -> list[str]:
    """What the page says of a life, and the kernel does not, or the other way round."""

    def of(metric: str) -> list[tuple[dict[str, str], float]]:
        return [(labels, value) for labels, value in samples.get(metric, []) if labels.get("container") == name]

    wrong = []
    shown = {
        (labels["resource"], labels["level"]): value
        for labels, value in of("bulkhead_container_limit_in_force")
        if labels["resource"] != "memory_swap_bytes"
    }
    told = limits(path)
    wrong += [
        f"limit {key}: page {shown.get(key)}, kernel {told.get(key)}"
        for key in {*shown, *told}
        if shown.get(key) != told.get(key)
    ]
    for metric in (
        "memory_usage_bytes",
        "memory_working_set_bytes",
        "memory_ratio",
        "memory_limit_bytes",
        "pids",
        "start_time_seconds",
    ):
        if len(of(f"bulkhead_container_{metric}")) != 1:
            wrong.append(f"no {metric}")
    usage, current = of("bulkhead_container_memory_usage_bytes"), number(f"{CGROUP}{path}/memory.current") or 0
    if usage and abs(usage[0][1] - current) > 4 << 20:
        wrong.append(f"usage: page {usage[0][1]:.0f}, kernel {current}")
    info = [labels for labels, _ in of("bulkhead_container_info")]
    if [labels["id"] for labels in info] != [identity]:
        wrong.append(f"id: page {[labels['id'][:12] for labels in info]}, kernel {identity[:12]}")
    label = (text(f"/proc/{pids[0]}/attr/current") or "").rstrip("\0\n").split(":", 3)
    selinux = [(labels["type"], labels["level"]) for labels, _ in of("bulkhead_container_selinux_info")]
    if selinux != [tuple(label[2:])]:
        wrong.append(f"label: page {selinux}, kernel {label}")
    checks = {labels["check"]: value for labels, value in of("bulkhead_container_hardening_check")}
    for check, holds in in_force(pids).items():
        if checks.get(check) != holds:
            wrong.append(f"check {check}: page {checks.get(check)}, kernel {holds}")
    return wrong


def in_force(pids: list[int]) -> dict[str, float]:
    """Checks that /proc alone decides, over all processes."""
    result = {
        "seccomp_filtered": 1.0,
        "no_new_privileges": 1.0,
        "all_capabilities_dropped": 1.0,
        "private_user_namespace": 1.0,
        "read_only_rootfs": 1.0,
    }
    for pid in pids:
        status = dict(re.findall(r"^(\w+):\t(.*)$", text(f"/proc/{pid}/status") or "", re.MULTILINE))
        if not status:
            continue
        mounts = [line.split() for line in (text(f"/proc/{pid}/mountinfo") or "").splitlines()]
        root = [fields for fields in mounts if fields[4] == "/"][-1]
        outside = [int(line.split()[1]) for line in (text(f"/proc/{pid}/uid_map") or "").splitlines()]
        for check, holds in (
            ("seccomp_filtered", status["Seccomp"] == "2"),
            ("no_new_privileges", status["NoNewPrivs"] == "1"),
            (
                "all_capabilities_dropped",
                not any(int(status[f"Cap{one}"], 16) for one in ("Bnd", "Prm", "Eff", "Inh", "Amb")),
            ),
            ("private_user_namespace", bool(outside) and min(outside) >= 2147483647),
            ("read_only_rootfs", "ro" in root[5].split(",")),
        ):
            result[check] = min(result[check], float(holds))
    return result


# --- the watch: every second, what is not as on a healthy host ---


class Watch(threading.Thread):
    """Reads the page over and over; `seen` counts what is not as it should be, `sightings` says where it was first so.

    A sighting has what a cause leaves on the page: the life's id, how long it had run, and how old each source's last
    answer was.
    """

    def __init__(self, names: set[str]) -> None:
        super().__init__(daemon=True)
        self.names = names
        self.seen: dict[str, int] = {}
        self.sightings: list[dict[str, object]] = []
        self.round = ""
        self.pages = 0
        self.pages_with_failing_source = 0
        self.unserved = 0
        self.may_be_unserved = False
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(1):
            try:
                samples = page()
            except OSError:
                self.unserved += not self.may_be_unserved
                continue
            self.pages += 1
            # While a source is away, what it decides is unknown, and that is said: no more than that is allowed.
            failing = any(value == 0 for _, value in samples.get("bulkhead_scrape_collector_success", []))
            self.pages_with_failing_source += failing
            for metric, wrong in zip(WATCHED, (0.0, 1.0, 1.0, 1.0), strict=True):
                for labels, value in samples.get(metric, []):
                    if failing and metric.endswith("_unknown"):
                        continue
                    if value == wrong and labels["container"] in self.names:
                        what = labels.get("check") or f"{labels['resource']} {labels['kind']}"
                        if metric.endswith("limit_drift") and labels["kind"] in {"mismatch", "none", "single"}:
                            continue
                        key = f"{metric.removeprefix('bulkhead_container_')} {what}"
                        self.seen[key] = self.seen.get(key, 0) + 1
                        if len(self.sightings) < SIGHTINGS_MAX:
                            self.sightings.append(self._sighting(key, labels["container"], samples))

    def _sighting(self, key: str, container: str, samples: Samples) -> dict[str, object]:
        started = [
            value
            for labels, value in samples.get("bulkhead_container_start_time_seconds", [])
            if labels["container"] == container
        ]
        return {
            "what": key,
            "container": container,
            "round": self.round,
            "page": self.pages,
            "not_judged": not_judged(),
            "runs_seconds": round(time.time() - started[0], 1) if started else None,
            "ages": {
                labels["collector"]: round(value, 1)
                for labels, value in samples.get("bulkhead_collector_age_seconds", [])
            },
        }


EVILS: tuple[tuple[str, Callable[[], object]], ...] = (
    ("nothing", lambda: None),
    ("daemon-reload", lambda: run("systemctl", "daemon-reload")),
    ("podman's service restarted", lambda: run("systemctl", "restart", "podman.service")),
    ("nothing", lambda: None),
    ("journald restarted", lambda: run("systemctl", "restart", "systemd-journald")),
)
ONCE: dict[int, tuple[str, Callable[[], object]]] = {
    1: ("agent restarted", lambda: run("systemctl", "restart", "bulkhead-collector", "bulkhead")),
    4: ("D-Bus restarted", lambda: run("systemctl", "restart", "dbus.service")),
}
"""By round. What grows old in an agent is seen after eleven minutes; three gaps in an hour are no healthy host."""


def wait_until(holds: Callable[[], bool], seconds: float) -> float | None:
    """How long it took; None if it did not come."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        try:
            if holds():
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.5)
    return None


def is_complete(names: set[str]) -> bool:
    """Whether every container is active, judged, and named with the id that runs."""
    ids = set(payloads())
    samples = page()
    shown = {labels["container"]: labels["id"] for labels, _ in samples.get("bulkhead_container_info", [])}
    judged = {labels["container"] for labels, _ in samples.get("bulkhead_container_hardening_check", [])}
    return all(shown.get(name) in ids for name in names) and names <= judged


def soak(rounds: int, seed: int, count: int, at_once: int, seconds: float) -> dict[str, object]:
    chance = random.Random(seed)
    names = [f"soak-{number:02}" for number in range(1, count + 1)]
    watch = Watch(set(names))
    watch.start()
    began = time.monotonic()
    restarts = lives = late = 0
    half_seen: list[str] = []
    done: list[str] = []
    compared: set[str] = set()
    turn = 0
    while turn < rounds or time.monotonic() < began + seconds:
        what, evil = ONCE.get(turn) or EVILS[turn % len(EVILS)]
        turn += 1
        watch.round = f"{turn} ({what})"
        chosen = chance.sample(names, min(at_once, count))
        watch.may_be_unserved = what == "agent restarted"
        started = []
        for name in chosen:
            started.append(subprocess.Popen(["systemctl", "restart", name]))
            time.sleep(chance.uniform(0, 0.6))
        evil()
        done.append(what)
        for process in started:
            process.wait(600)
        restarts += len(chosen)
        took = wait_until(lambda: is_complete(set(names)), COMPLETE_SECONDS)
        watch.may_be_unserved = False
        late += took is None
        time.sleep(SETTLE_SECONDS)
        samples, here = page(), payloads()
        shown = {
            name: labels["id"]
            for labels, _ in samples["bulkhead_container_info"]
            if (name := labels["container"]) in names
        }
        inspected = {one["Name"].lstrip("/"): one["Id"] for one in json.loads(run("podman", "inspect", *names) or "[]")}
        for name in names:
            identity = inspected.get(name, "")
            if identity not in here:
                half_seen.append(f"round {turn} ({what}) {name}: podman's container {identity[:12]} has no process")
                continue
            wrong = differences(name, samples, *here[identity], identity)
            half_seen += [
                f"round {turn} ({what}) {name}: {each}; page's id {shown.get(name, '')[:12]}" for each in wrong
            ]
            compared.add(identity)
        lives = len(compared)
    watch.over.set()
    watch.join(60)
    return {
        "seconds": round(time.monotonic() - began),
        "rounds": turn,
        "restarts": restarts,
        "lives": lives,
        "half_seen": half_seen,
        "late": late,
        "seen": watch.seen,
        "sightings": watch.sightings,
        "pages": watch.pages,
        "pages_with_failing_source": watch.pages_with_failing_source,
        "unserved": watch.unserved,
        "done": {what: done.count(what) for what in dict.fromkeys(done)},
    }


if __name__ == "__main__":
    rounds, seed, containers, at_once, seconds = map(int, sys.argv[1:])
    json.dump(soak(rounds, seed, containers, at_once, seconds), sys.stdout, indent=1)
