"""The firewall in force: what nftables does with packets for the host itself, iptables-nft and firewalld included.

`nft -j -t list ruleset` (libnftables-json(5); -t leaves out what sets hold) prints, shortened:

    {"nftables": [{"metainfo": {"version": "1.1.3", ...}},
      {"chain": {"family": "inet", "table": "filter", "name": "input",
                 "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
      {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"counter": null}, {"drop": null}]}}]}

firewalld's chain has the policy accept and ends with a rule that rejects: both are told as a denial. Whether a chain
denies is found by the packets of strangers, which are followed through all that it jumps to (walk.py).

Looks again: nft is asked anew at each read (`firewall_seconds`), and looked for until it was found; nothing is kept.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exporter.facts.host import Firewall, InputChain
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.deadline import SEARCH_PATH, NotInstalled, ProgramError, Programs
from exporter.sources.nftables.walk import Fate, Place, Walk, interfaces_of, strangers

_COMMAND = ("nft", "-j", "-t", "list", "ruleset")
_MAX_OUTPUT_BYTES = 16 << 20
_MAX_NAME_CHARACTERS = 64
_MAX_CHAINS = 100
# bridge and arp have an input hook too, of other packets.
_FAMILIES = {"ip": ("ip",), "ip6": ("ip6",), "inet": ("ip", "ip6")}


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
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError) as error:
        raise Unreadable("nft printed what is no ruleset in JSON, check its version (0.9 and later)") from error
    rules: dict[Place, list[list[dict[str, Any]]]] = {}
    hooked = []
    for entry in entries:
        if chain := _of_kind(entry, "chain"):
            rules.setdefault(_place(chain, "name"), [])
            hooked += [chain] if chain.get("hook") == "input" else []
        elif rule := _of_kind(entry, "rule"):
            rules.setdefault(_place(rule, "chain"), []).append(_parts(rule))
    walk, interfaces = Walk(rules), interfaces_of(rules)
    found: list[InputChain] = []
    for chain in hooked:
        if chain.get("family") in _FAMILIES and chain.get("type") == "filter" and len(found) < _MAX_CHAINS:
            found.append(_input_chain(chain, walk, interfaces))
    return Firewall(tuple(found))


def _input_chain(chain: dict[str, Any], walk: Walk, interfaces: tuple[str, ...]) -> InputChain:
    place, policy = _place(chain, "name"), _text(chain.get("policy"))
    kinds, are_all = strangers(interfaces, _FAMILIES[place[0]])
    opening = unclear = ""
    for stranger in kinds:
        fates = walk.fates(place, stranger)
        if Fate.GOES_ON in fates:
            fates = fates - {Fate.GOES_ON} | {Fate.DENIED if policy == "drop" else Fate.ACCEPTED}
        if fates == {Fate.ACCEPTED}:
            opening = opening or _text(str(stranger))
        elif fates != {Fate.DENIED}:
            unclear = unclear or _text(str(stranger))
    if not are_all:
        unclear = unclear or "more interfaces than are followed"
    family, table, name = map(_text, place)
    return InputChain(family, table, name, policy, denies=not (opening or unclear), opening=opening, unclear=unclear)


def _place(entry: dict[str, Any], key: str) -> Place:
    family, table, name = (
        value if isinstance(value := entry.get(one), str) else "" for one in ("family", "table", key)
    )
    return family, table, name


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
