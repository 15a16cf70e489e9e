"""The firewall in force: what nftables does with packets for the host itself, iptables-nft and firewalld included.

`nft -j -t list ruleset` (libnftables-json(5); -t leaves out what sets hold) prints, shortened:

    {"nftables": [{"metainfo": {"version": "1.1.3", ...}},
      {"chain": {"family": "inet", "table": "filter", "name": "input",
                 "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
      {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"counter": null}, {"drop": null}]}}]}

firewalld's chain has the policy accept and ends with a rule that rejects: both are told as a denial.

Looks again: nft is looked for and asked anew at each read (`firewall_seconds`); nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import time
from typing import Any

import msgspec

from exporter.facts.host import Firewall, InputChain
from exporter.facts.reading import NotHere, Unreadable

_SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_COMMAND = ("nft", "-j", "-t", "list", "ruleset")
_MAX_OUTPUT_BYTES = 16 << 20
_NICENESS = 10
_CHUNK_BYTES = 1 << 16
_MAX_NAME_CHARACTERS = 64
_MAX_CHAINS = 100
_IP_FAMILIES = frozenset({"ip", "ip6", "inet"})  # bridge and arp have an input hook too, of other packets
_DENYING = frozenset({"drop", "reject"})
# What a rule may hold beside its verdict and still meet every packet.
_UNCONDITIONAL = frozenset({"counter", "log"})


class NftablesSource:
    """Asks nft, which needs CAP_NET_ADMIN, each time with a deadline and bounded output."""

    def __init__(
        self,
        deadline_seconds: float = 10,
        search_path: str = _SEARCH_PATH,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._search_path = search_path
        self._max_output_bytes = max_output_bytes

    def read(self) -> Firewall:
        """The firewall. NotHere without nft; Unreadable when it fails, takes too long or says too much."""
        program = shutil.which(_COMMAND[0], path=self._search_path)
        if program is None:
            raise NotHere("nft is not on this host: install nftables to have the firewall judged")
        return parse_ruleset(self._printed(program))

    def _printed(self, program: str) -> bytes:
        try:
            child = subprocess.Popen(
                (program, *_COMMAND[1:]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C", "PATH": self._search_path},
            )
        except OSError as error:
            raise Unreadable(f"nft cannot be started ({error.strerror}), check {program}") from error
        with contextlib.suppress(OSError):  # a hardened unit may forbid setpriority(2)
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
        try:
            output = self._bounded_output(child)
            status = child.wait(self._deadline_seconds)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise Unreadable(f"nft did not end within {self._deadline_seconds:g} s") from error
        finally:
            _end(child)
        if status:
            raise Unreadable(f"nft cannot list the rules (exit status {status}), run as root or grant CAP_NET_ADMIN")
        return output

    def _bounded_output(self, child: subprocess.Popen[bytes]) -> bytes:
        ends_at = time.monotonic() + self._deadline_seconds
        output = bytearray()
        with selectors.DefaultSelector() as pipes:
            assert child.stdout is not None  # noqa: S101 - for mypy: it was asked for
            pipes.register(child.stdout, selectors.EVENT_READ)
            while True:
                if not pipes.select(max(0.0, ends_at - time.monotonic())):
                    raise TimeoutError
                chunk = os.read(child.stdout.fileno(), _CHUNK_BYTES)
                if not chunk:
                    return bytes(output)
                output.extend(chunk)
                if len(output) > self._max_output_bytes:
                    raise Unreadable(f"nft printed more than {self._max_output_bytes} bytes")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdout is not None:
        child.stdout.close()
    if child.poll() is None:
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)


def parse_ruleset(raw: bytes) -> Firewall:
    """The input chains of a ruleset. Raises Unreadable: this is none."""
    try:
        entries = msgspec.json.decode(raw, type=dict[str, list[dict[str, Any]]])["nftables"]
    except (msgspec.MsgspecError, KeyError, RecursionError) as error:
        raise Unreadable("nft printed what is no ruleset in JSON, check its version (0.9 and later)") from error
    chains = [chain for entry in entries if (chain := _of_kind(entry, "chain")).get("hook") == "input"]
    rules = [_of_kind(entry, "rule") for entry in entries]
    found = []
    for chain in chains:
        family, table, name, policy = (_text(chain.get(key)) for key in ("family", "table", "name", "policy"))
        if family not in _IP_FAMILIES or chain.get("type") != "filter":
            continue
        place = {"family": chain.get("family"), "table": chain.get("table"), "chain": chain.get("name")}
        own = [rule for rule in rules if all(rule.get(key) == value for key, value in place.items())]
        found.append(InputChain(family, table, name, policy, _denies(policy, own)))
    return Firewall(tuple(found[:_MAX_CHAINS]))


def _denies(policy: str, rules: list[dict[str, Any]]) -> bool:
    """What becomes of a packet that meets no condition: the first verdict without one, else the policy."""
    for rule in rules:
        words = [word for part in _parts(rule) for word in part]
        verdicts = [word for word in words if word not in _UNCONDITIONAL]
        if verdicts in (["accept"], ["drop"], ["reject"]):
            return verdicts[0] in _DENYING
    return policy in _DENYING


def _parts(rule: dict[str, Any]) -> list[dict[str, Any]]:
    parts = rule.get("expr")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _of_kind(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    found = entry.get(kind)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:_MAX_NAME_CHARACTERS])
