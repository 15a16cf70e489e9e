"""Which conditions of a rule a stranger's packet meets: libnftables-json(5).

    {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, 80]}}}

The stranger's is the first packet of a connection, from an address, and to a port, that nobody thought of: a rule for
port 22 or for one network is not for it, a rule for all ports, all addresses or every new connection is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_MAX_ELEMENTS = 1000  # of one set
_PORTS = 65_535  # without 0
# A prefix that is shorter is no network of somebody's: all of IPv4 in eighths, and 2000::/3, which is all that is given
# out of IPv6.
_BROAD_V4, _BROAD_V6 = 8, 4


class Meets(IntEnum):
    """How much of what strangers send meets a condition. The least of several conditions is that of a rule."""

    NO = 0
    SOME = 1  # not known, and it names what it is for: a mark, a set by its name
    MOST = 2  # not known, and it names what it is not for
    YES = 3

    @property
    def negated(self) -> Meets:
        """Of the opposite condition."""
        return Meets(Meets.YES - self)


@dataclass(frozen=True, slots=True)
class Stranger:
    """The packets of one kind that strangers send."""

    interface: str  # "" is one that no rule names
    family: str  # ip, ip6
    protocol: str  # tcp, udp

    def __str__(self) -> str:
        return f"{self.protocol} over {'IPv4' if self.family == 'ip' else 'IPv6'} {self.way}"

    @property
    def way(self) -> str:
        """Where it comes in, in words."""
        return f"by {self.interface}" if self.interface else "by any interface"


def meets(match: object, stranger: Stranger) -> Meets:
    """Whether the packet meets one `match`."""
    if not isinstance(match, dict):
        return Meets.SOME
    left, operator = match.get("left"), match.get("op")
    if not all(_can_have(part, stranger) for part in _parts(left)):
        return Meets.NO  # nft adds the protocol as a condition of its own, which is not negated
    found = equals(left, match.get("right"), stranger)
    if operator == "!=":
        return found.negated
    return found if operator in ("==", "in") else Meets.SOME


def equals(left: object, right: object, stranger: Stranger) -> Meets:
    """Whether what `left` names is `right`, or among its elements, in the stranger's packet."""
    if (parts := _parts(left)) != [left]:
        return _equals_all(parts, elements_of(right), stranger)
    name, elements = name_of(left), elements_of(right)
    compare = _COMPARED.get(name)
    if compare is None or elements is None or len(elements) > _MAX_ELEMENTS:
        return Meets.SOME
    if "*" in elements and name not in INTERFACES:
        return Meets.YES  # the element of a map for all that has no other
    return compare(elements, stranger)


def _equals_all(parts: list[object], elements: Sequence[Any] | None, stranger: Stranger) -> Meets:
    """The same for `ip saddr . tcp dport`: an element has a value for each part."""
    if elements is None or len(elements) > _MAX_ELEMENTS:
        return Meets.SOME
    found = Meets.NO
    for element in elements:
        values = _parts(element)
        if len(values) == len(parts):
            found = max(found, min(equals(*pair, stranger) for pair in zip(parts, values, strict=True)))
        else:
            found = max(found, Meets.SOME)
    return found


def _parts(value: object) -> list[object]:
    match value:
        case {"concat": [_, _, *_] as parts}:
            return list(parts)
    return [value]


def name_of(left: object) -> str:
    """`meta iifname`, `ip saddr`, `ct state`; "" for what is not followed."""
    match left:
        case {"meta": {"key": str(key)}}:
            return f"meta {key}"
        case {"ct": {"key": str(key), **others}} if not others:
            return f"ct {key}"
        case {"payload": {"protocol": str(protocol), "field": str(key)}}:
            return f"{protocol} {key}"
        case {"fib": {"result": "type", "flags": "daddr" | ["daddr"]}}:
            return "fib type"
    return ""


def elements_of(right: object) -> Sequence[Any] | None:
    """The elements of a set, of a list of flags, or the one value; None for a set by its name, which -t leaves out."""
    if isinstance(right, str) and right.startswith("@"):
        return None
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    elements = right if isinstance(right, list) else [right]
    return [_bare(element) for element in elements]


def _bare(element: object) -> object:
    match element:
        case {"elem": {"val": value}}:
            return value
    return element


def _can_have(left: object, stranger: Stranger) -> bool:
    match left:
        case {"payload": {"protocol": str(protocol)}}:
            return protocol in {"th", "ether", "vlan", stranger.family, stranger.protocol}
    return True


def _among(*names: str | int) -> Callable[[Sequence[Any], Stranger], Meets]:
    """Compares with what every stranger's packet has."""

    def compare(elements: Sequence[Any], _: Stranger) -> Meets:
        return _found(elements, names)

    return compare


def _found(elements: Iterable[Any], names: tuple[str | int, ...]) -> Meets:
    worst = Meets.NO
    for element in elements:
        if isinstance(element, str | int):
            if element in names:
                return Meets.YES
        else:
            worst = Meets.SOME
    return worst


def _interface(elements: Sequence[Any], stranger: Stranger) -> Meets:
    names = [str(element) for element in elements]
    if stranger.interface in names or "*" in names:
        return Meets.YES
    wild = (name[:-1] for name in names if name.endswith("*"))
    return Meets.YES if stranger.interface and stranger.interface.startswith(tuple(wild)) else Meets.NO


def _protocol(elements: Sequence[Any], stranger: Stranger) -> Meets:
    return _found(elements, ("tcp", 6) if stranger.protocol == "tcp" else ("udp", 17))


def _family(elements: Sequence[Any], stranger: Stranger) -> Meets:
    return _found(elements, ("ipv4", "ip", 2) if stranger.family == "ip" else ("ipv6", "ip6", 10))


def _port(elements: Sequence[Any], _: Stranger) -> Meets:
    covered, upto = 0, 0
    spans = sorted(span for element in elements if (span := _span(element)) is not None)
    for first, last in spans:
        covered += max(0, last - max(first, upto + 1) + 1)
        upto = max(upto, last)
    return Meets.YES if covered >= _PORTS else Meets.NO


def _span(element: object) -> tuple[int, int] | None:
    match element:
        case {"range": [int(first), int(last)]}:
            return max(1, first), last
        case int(port):
            return port, port
    return None


def _source(elements: Sequence[Any], _: Stranger) -> Meets:
    networks = _networks(elements)
    if networks is None:
        return Meets.SOME
    return Meets.YES if any(_is_broad(one) for one in networks) else Meets.NO


def _destination(elements: Sequence[Any], _: Stranger) -> Meets:
    networks = _networks(elements)
    if networks is None:
        return Meets.SOME
    if any(_is_broad(one) for one in networks):
        return Meets.YES
    return Meets.NO if all(one.is_multicast or str(one) == "255.255.255.255/32" for one in networks) else Meets.SOME


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _is_broad(network: _Network) -> bool:
    broad = _BROAD_V4 if isinstance(network, ipaddress.IPv4Network) else _BROAD_V6
    return network.prefixlen < broad and not network.is_multicast


def _networks(elements: Sequence[Any]) -> list[_Network] | None:
    """The networks, joined where they lie side by side; None where an element is not understood."""
    found: list[Any] = []
    try:
        for element in elements:
            found += _networks_in(element)
        return list(ipaddress.collapse_addresses(found))
    except (ValueError, TypeError):
        return None


def _networks_in(element: object) -> Iterable[Any]:
    match element:
        case str(address):
            return (ipaddress.ip_network(address),)
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return (ipaddress.ip_network(f"{address}/{length}", strict=False),)
        case {"range": [str(first), str(last)]}:
            ends: Any = ipaddress.ip_address(first), ipaddress.ip_address(last)
            return ipaddress.summarize_address_range(*ends)
    raise ValueError(f"no address: {element!r}")


INTERFACES = frozenset({"meta iifname", "meta iif"})

_COMPARED: Mapping[str, Callable[[Sequence[Any], Stranger], Meets]] = {
    **dict.fromkeys(INTERFACES, _interface),
    **dict.fromkeys(("meta l4proto", "ip protocol", "ip6 nexthdr"), _protocol),
    **dict.fromkeys(("meta nfproto", "meta protocol"), _family),
    **dict.fromkeys(("tcp dport", "udp dport", "th dport"), _port),
    **dict.fromkeys(("ip saddr", "ip6 saddr"), _source),
    **dict.fromkeys(("ip daddr", "ip6 daddr"), _destination),
    "meta pkttype": _among("host", "unicast", 0),
    "ct state": _among("new", 8),
    "ct status": _among(),
    "ct direction": _among("original", 0),
    "fib type": _among("local", 2),
}
