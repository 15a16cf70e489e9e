"""The firewall in force: what nftables does with packets for the host itself, iptables-nft and firewalld included.

`nft -j -t list ruleset` (libnftables-json(5); -t leaves out what sets hold) prints, shortened:

    {"nftables": [{"metainfo": {"version": "1.1.3", ...}},
      {"chain": {"family": "inet", "table": "filter", "name": "input",
                 "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
      {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"counter": null}, {"drop": null}]}}]}

firewalld's chain has the policy accept and ends with a rule that rejects: both are told as a denial.

Looks again: nft is asked anew at each read (`firewall_seconds`), and looked for until it was found; nothing is kept.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exporter.facts.host import Firewall, InputChain
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.deadline import SEARCH_PATH, NotInstalled, ProgramError, Programs

_COMMAND = ("nft", "-j", "-t", "list", "ruleset")
_MAX_OUTPUT_BYTES = 16 << 20
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
        search_path: str = SEARCH_PATH,
        max_output_bytes: int = _MAX_OUTPUT_BYTES,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._max_output_bytes = max_output_bytes
        self._programs = Programs(search_path, max_output_bytes)

    def read(self) -> Firewall:
        """The firewall. NotHere without nft; Unreadable when it fails, takes too long or says too much."""
        return parse_ruleset(self._printed())

    def _printed(self) -> bytes:
        try:
            ended = self._programs.run(_COMMAND[0], _COMMAND, self._deadline_seconds)
        except NotInstalled as error:
            raise NotHere("nft is not on this host: install nftables to have the firewall judged") from error
        except ProgramError as error:
            raise Unreadable(f"nft {error}") from error
        if ended.status:
            raise Unreadable(
                f"nft cannot list the rules (exit status {ended.status}), run as root or grant CAP_NET_ADMIN"
            )
        return ended.output


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
