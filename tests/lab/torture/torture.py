"""Runs in the guest: kills containers for memory while the agent and those it listens to are killed, too.

    python3 torture.py ROUNDS SEED SLOWNESS >result.json

Ten containers, each dying or losing a worker in a way of its own. At the end all of them are stopped, and what the
kernel, systemd, podman and the containers themselves counted is printed as JSON.
"""

from __future__ import annotations

import collections
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

IMAGE = "localhost/lab:1"
QUADLETS = Path("/etc/containers/systemd")
COUNTED = Path("/var/lib/torture")
CGROUP = Path("/sys/fs/cgroup")
DIES = "/bin/sh -c 'sleep 1; exec tail /dev/zero'"
# Each worker's death is written down by the container itself. The pauses keep the guest answering: a guest that is busy
# all the time has journald killed by its watchdog, and podman's commands end after minutes.
SLOWNESS = int(sys.argv[3]) if len(sys.argv) > 3 else 1
PAUSE_SECONDS, RESTART_SECONDS, AGENT_LIVES_SECONDS = (5, 15, 6) if SLOWNESS == 1 else (5, 25, 15)
LOSES_WORKERS = (
    '/bin/sh -c \'trap "exit 0" TERM; while :; do tail /dev/zero; echo $? >>/counted;'
    f" sleep {PAUSE_SECONDS} & wait $!; done'"
)
KINDS = {
    # name: (slice, command)
    "t-own-dies-1": ("services-tod1.slice", DIES),
    "t-own-dies-2": ("services-tod2.slice", DIES),
    "t-own-worker-1": ("services-tow1.slice", LOSES_WORKERS),
    "t-own-worker-2": ("services-tow2.slice", LOSES_WORKERS),
    "t-none-dies": ("system.slice", DIES),
    "t-none-worker": ("system.slice", LOSES_WORKERS),
    "t-shared-dies": ("services-tshared.slice", DIES),
    "t-shared-worker": ("services-tshared.slice", LOSES_WORKERS),
    "t-pod-worker": ("services-tpod.slice", LOSES_WORKERS),
}
KILLS_A_ROUND = 3  # of the agent
READY = "http://127.0.0.1:9946/-/ready"
READY_SECONDS = 60
PODMANS = "t-podman"  # restarted by podman's own policy, and no unit
UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Container]
ContainerName={name}
Image={image}
Exec={command}
ReadOnly=true
Volume={counted}/{name}:/counted:rw,Z
PodmanArgs=--memory=16m --memory-swap=16m
{network}
[Service]
Slice={slice}
Restart=always
RestartSec={restart}s
TimeoutStartSec=300
"""
POD = "[Pod]\nPodName=tpod\nPodmanArgs=--network=none\n[Service]\nSlice=services-tpod.slice\n"


def run(*command: str, check: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if check and done.returncode:
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout


def oom_kill(path: str) -> int:
    try:
        text = (CGROUP / path / "memory.events").read_text()
    except OSError:
        return 0
    return int(dict(line.split() for line in text.splitlines())["oom_kill"])


def slice_path(name: str) -> str:
    return name if "-" not in name else f"services.slice/{name}"


def set_up() -> None:
    run("podman", "rm", "-f", "-t", "0", "--ignore", PODMANS)  # of a run before this one
    COUNTED.mkdir(exist_ok=True)
    (QUADLETS / "tpod.pod").write_text(POD)
    for name, (home, command) in KINDS.items():
        (COUNTED / name).write_text("")
        (COUNTED / name).chmod(0o666)
        network = "Pod=tpod.pod" if "pod" in name else "Network=none"
        fields = {"name": name, "image": IMAGE, "command": command, "network": network, "slice": home}
        text = UNIT.format(**fields, counted=COUNTED, restart=RESTART_SECONDS)
        (QUADLETS / f"{name}.container").write_text(text)
    run("systemctl", "daemon-reload", check=True)


def start_podmans() -> None:
    arguments = ["--memory=16m", "--memory-swap=16m", "--network=none", "--restart=always", "--name", PODMANS]
    run("podman", "run", "-d", *arguments, IMAGE, "/bin/sh", "-c", "sleep 15; exec tail /dev/zero", check=True)


def restarts_of_podmans() -> int:
    said = run("podman", "inspect", PODMANS, "--format", "{{.RestartCount}}").strip()
    return int(said) if said.isdigit() else 0


class Torment:
    """The state of one run: what was done, and what would be lost with what was removed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.done: dict[str, int] = {}
        self.before = {home: oom_kill(slice_path(home)) for home, _ in KINDS.values()}
        self.lost_with_slices: dict[str, int] = {}
        self.lost_restarts_of_podmans = 0
        self.by_hand = collections.Counter(dict.fromkeys(KINDS, 1))
        self.evils: dict[str, Callable[[], object]] = {
            "podman's service restarted": lambda: run("systemctl", "restart", "podman.service"),
            "journald restarted": lambda: run("systemctl", "restart", "systemd-journald"),
            "daemon-reload": lambda: run("systemctl", "daemon-reload"),
            "container removed and made anew": self.make_anew,
            "agent left down": self.leave_down,
            "restarted by hand": self.restart_by_hand,
            "slice stopped": self.stop_slice,
            "failure reset": lambda: run("systemctl", "reset-failed", "t-none-dies"),
        }

    def evil(self, what: str) -> None:
        self.evils[what]()
        self.done[what] = self.done.get(what, 0) + 1

    def restart_by_hand(self) -> None:
        run("systemctl", "restart", "t-own-dies-2")
        self.by_hand["t-own-dies-2"] += 1

    def make_anew(self) -> None:
        run("podman", "stop", "-t", "0", PODMANS)
        self.lost_restarts_of_podmans += restarts_of_podmans()
        run("podman", "rm", "-f", "-t", "0", PODMANS)
        start_podmans()

    def leave_down(self) -> None:
        run("systemctl", "stop", "bulkhead-collector")
        time.sleep(5)
        run("systemctl", "start", "--no-block", "bulkhead-collector")

    def stop_slice(self) -> None:
        name = "t-own-worker-2"
        home = KINDS[name][0]
        run("systemctl", "stop", name)
        killed = oom_kill(slice_path(home)) - self.before[home]
        self.lost_with_slices[home] = self.lost_with_slices.get(home, 0) + killed
        self.before[home] = 0
        run("systemctl", "stop", home)
        run("systemctl", "start", "--no-block", name)
        self.by_hand[name] += 1

    def killed_in(self, home: str) -> int:
        return oom_kill(slice_path(home)) - self.before[home] + self.lost_with_slices.get(home, 0)


def torment(rounds: int, seed: int) -> dict[str, object]:
    began = time.time()
    torment = Torment(seed)
    vmstat_before = vmstat()
    set_up()
    for name in KINDS:
        run("systemctl", "start", "--no-block", name)
    start_podmans()
    order = list(torment.evils)
    for turn in range(rounds):
        for number in range(KILLS_A_ROUND):
            if number == 0:
                wait_until_it_counts()
            time.sleep(torment.chance.uniform(1, AGENT_LIVES_SECONDS))
            run("systemctl", "kill", "-s", "KILL", "bulkhead-collector")
        torment.done["agent killed"] = (turn + 1) * KILLS_A_ROUND
        torment.evil(order[turn % len(order)])
    run("systemctl", "start", "--no-block", "bulkhead-collector")
    run("podman", "stop", "-t", "0", PODMANS)
    for name in KINDS:
        run("systemctl", "stop", name)
    run("systemctl", "stop", "tpod-pod")
    return {
        "seconds": time.time() - began,
        "done": torment.done,
        "slices": {home: torment.killed_in(home) for home, _ in KINDS.values()},
        "host": vmstat() - vmstat_before,
        "homes": {name: home for name, (home, _) in KINDS.items()},
        "counted_by_itself": {
            name: (COUNTED / name).read_text().split().count("137")
            for name, (_, command) in KINDS.items()
            if command == LOSES_WORKERS
        },
        "by_hand": torment.by_hand,
        "restarts_of_podmans": restarts_of_podmans() + torment.lost_restarts_of_podmans,
        "scheduled": {name: scheduled(name, int(began)) for name in KINDS},
        "events": {action: events(action, int(began)) for action in ("create", "start")} | {"died": ends(int(began))},
    }


def wait_until_it_counts() -> None:
    """Until the agent serves, or for a while: one that never gets to count would have nothing to lose."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if run("curl", "-sf", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", READY) == "200":
            return
        time.sleep(2)


def vmstat() -> int:
    lines = Path("/proc/vmstat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def scheduled(name: str, since: int) -> int:
    """Restarts that the journal still knows; some are lost with a restart of journald."""
    matches = ["MESSAGE_ID=5eb03494b6584870a536b337290809b3", f"UNIT={name}.service"]
    return len(run("journalctl", "-q", "--since", f"@{since}", "-o", "cat", *matches).splitlines())


def events(action: str, since: int) -> dict[str, int]:
    """How often podman told of it, by container."""
    counted = collections.Counter(name for name, _, _ in told_by_podman(since, action))
    return {name: counted[name] for name in [*KINDS, PODMANS]}


def ends(since: int) -> dict[str, int]:
    """How many lives ended, by container; podman may tell twice of the end of one."""
    counted: collections.Counter[str] = collections.Counter()
    last: dict[str, str] = {}
    for name, container_id, action in told_by_podman(since, "start", "died"):
        counted[name] += action == "died" and last.get(container_id) != "died"
        last[container_id] = action
    return {name: counted[name] for name in [*KINDS, PODMANS]}


def told_by_podman(since: int, *actions: str) -> list[list[str]]:
    """Name, id and action of each of these events, in order."""
    filters = [f"--filter=event={action}" for action in actions]
    columns = "{{.Name}} {{.ID}} {{.Status}}"
    said = run(
        "podman",
        "events",
        "--stream=false",
        f"--since={since}",
        "--filter=type=container",
        *filters,
        "--format",
        columns,
    )
    return [line.split() for line in said.splitlines()]


if __name__ == "__main__":
    json.dump(torment(int(sys.argv[1]), int(sys.argv[2])), sys.stdout, indent=1)
