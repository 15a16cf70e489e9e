"""What becomes of a stranger's packet in a chain, jumps and maps of verdicts followed: nft(8), VERDICT STATEMENT.

    chain input { policy drop; iifname "lo" accept; ct state vmap { established : accept, invalid : drop }; jump in }
    chain in { tcp dport 22 accept; meta l4proto { tcp, udp } accept }      accepts everything: {ACCEPTED}

A condition that cannot be followed leaves more than one fate. Work is bounded: a ruleset may be as large as root likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeAlias

from exporter.sources.nftables.condition import INTERFACES, Meets, Stranger, elements_of, equals, meets, name_of

Place: TypeAlias = tuple[str, str, str]  # family, table, chain
Rules: TypeAlias = Mapping[Place, Sequence[Sequence[Mapping[str, Any]]]]
Fates: TypeAlias = frozenset["Fate"]

_MAX_DEPTH = 16  # NFT_JUMP_STACK_SIZE
_MAX_STEPS = 100_000  # statements and elements, for the whole ruleset: about a tenth of a second
_MAX_INTERFACES = 16
_PROTOCOLS = ("tcp", "udp")
_HARMLESS = frozenset({"counter", "log", "mangle", "notrack", "set", "last", "continue", "ct helper", "ct timeout"})
_NOT_FOLLOWED: Mapping[str, Any] = {}


class Fate(Enum):
    """What may become of a packet in a chain."""

    ACCEPTED = auto()
    DENIED = auto()
    GOES_ON = auto()  # to the next rule of the chain that jumped here, or to the policy


_FATE_OF = {"accept": Fate.ACCEPTED, "drop": Fate.DENIED, "reject": Fate.DENIED, "return": Fate.GOES_ON}
_VERDICTS = frozenset({*_FATE_OF, "jump", "goto"})
_EVERY: Fates = frozenset(Fate)
_SOMEHOW: Fates = frozenset({Fate.ACCEPTED, Fate.DENIED})


class Walk:
    """Walks of packets through one ruleset."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._steps_left = _MAX_STEPS
        self._known: dict[tuple[Place, Stranger], Fates] = {}

    def fates(self, chain: Place, stranger: Stranger, depth: int = 0) -> Fates:
        """What may become of the packet in the chain."""
        key = chain, stranger
        if key not in self._known:
            self._known[key] = _EVERY  # of a chain that leads back to itself; the kernel takes none
            self._known[key] = self._walked(chain, stranger, depth)
        return self._known[key]

    def _walked(self, chain: Place, stranger: Stranger, depth: int) -> Fates:
        if chain not in self._rules or depth > _MAX_DEPTH:
            return _EVERY
        found: set[Fate] = set()
        for rule in self._rules[chain]:
            if self._steps_left <= 0:
                return _EVERY
            for met, verdict in self._verdicts(rule, stranger):
                ends, goes_on = self._ends(verdict, chain, stranger, depth)
                # A part of the packets that is denied is no default; a part that is accepted may be all of them.
                found |= ends - {Fate.DENIED} if met is Meets.SOME else ends
                if met is Meets.YES and not goes_on:
                    return frozenset(found)
        return frozenset(found | {Fate.GOES_ON})

    def _verdicts(self, rule: Sequence[Mapping[str, Any]], stranger: Stranger) -> Iterator[tuple[Meets, Any]]:
        """The verdicts of a rule that the packet may meet."""
        met, is_followed = Meets.YES, True
        for statement in rule:
            self._steps_left -= 1
            word = next(iter(statement), "")
            if word in _VERDICTS:
                yield met, statement
                return
            if word == "vmap":
                yield from self._mapped(statement[word], met, stranger)
                return
            condition = _condition(word, statement[word], stranger) if word else Meets.SOME
            is_followed = is_followed and condition is not None
            met = min(met, Meets.SOME if condition is None else condition)
            if met is Meets.NO:
                return
        if not is_followed:
            yield met, _NOT_FOLLOWED  # it may be a verdict: of an extension of xtables, or of another program

    def _mapped(self, vmap: object, met: Meets, stranger: Stranger) -> Iterator[tuple[Meets, Any]]:
        match vmap:
            case {"key": key, "data": {"set": list(elements)}}:
                self._steps_left -= len(elements)
                for element in elements:
                    match element:
                        case [value, dict(verdict)]:
                            condition = equals(key, {"set": [value]}, stranger)
                            if condition is not Meets.NO:
                                yield min(met, condition), verdict
                            if condition is Meets.YES:
                                return
            case _:
                yield min(met, Meets.SOME), _NOT_FOLLOWED

    def _ends(self, verdict: Mapping[str, Any], chain: Place, stranger: Stranger, depth: int) -> tuple[Fates, bool]:
        """The fates by which the packet leaves this chain, and whether it may go on in it."""
        match verdict:
            case {"accept": _} | {"drop": _} | {"reject": _} | {"return": _}:
                return frozenset({_FATE_OF[next(iter(verdict))]}), False
            case {"continue": _}:
                return frozenset(), True
            case {"jump": {"target": str(name)}}:
                fates = self.fates((*chain[:2], name), stranger, depth + 1)
                return fates - {Fate.GOES_ON}, Fate.GOES_ON in fates
            case {"goto": {"target": str(name)}}:
                return self.fates((*chain[:2], name), stranger, depth + 1), False
        return _SOMEHOW, True


def _condition(word: str, value: object, stranger: Stranger) -> Meets | None:
    """How much of the packets a statement without a verdict lets through to the next one; None: it is not followed."""
    if word in _HARMLESS:
        return Meets.YES
    match word, value:
        case "match", _:
            return meets(value, stranger)
        case (("limit" | "quota" | "ct count"), dict(bound)):
            return Meets.NO if bound.get("inv") else Meets.SOME  # `over` a bound, which a stranger need not exceed
        case "xt", {"type": "match", "name": "comment"}:
            return Meets.YES
        case "xt", {"type": "match"}:
            return Meets.SOME
    return None


def interfaces_of(rules: Rules) -> tuple[str, ...]:
    """The interfaces that the rules treat differently, and "" for any other."""
    return tuple(
        dict.fromkeys(["", *(name for chain in rules.values() for rule in chain for name in _interfaces(rule))])
    )


def strangers(interfaces: Sequence[str], families: Sequence[str]) -> tuple[tuple[Stranger, ...], bool]:
    """A packet of each kind that the rules may treat differently, and whether these are all."""
    chosen = interfaces[: _MAX_INTERFACES + 1]
    kinds = (Stranger(interface, family, proto) for interface in chosen for family in families for proto in _PROTOCOLS)
    return tuple(kinds), len(chosen) == len(interfaces)


def _interfaces(rule: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The interfaces that a rule names; of a pattern one that it fits."""
    for statement in rule:
        elements: Sequence[Any] | None = None
        match statement:
            case {"match": {"left": left, "right": right}} if name_of(left) in INTERFACES:
                elements = elements_of(right)
            case {"vmap": {"key": key, "data": {"set": list(pairs)}}} if name_of(key) in INTERFACES:
                elements = elements_of([pair[0] for pair in pairs if isinstance(pair, list) and pair])
        for element in elements or ():
            if isinstance(element, str | int) and element not in ("lo", "*", 1):
                yield str(element)
