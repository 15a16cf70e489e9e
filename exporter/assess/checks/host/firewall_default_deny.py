"""Packets for the host that no rule accepts are dropped or rejected, for IPv4 and IPv6: nftables' input hook.

By the policy drop, as with plain nftables and ufw, or by a last rule that rejects, as with firewalld. Several chains
may hook there: one that denies is enough. A chain denies when it denies what strangers send: it accepts by ports,
networks and established connections. What cannot be followed (marks, sets by their names, extensions of xtables) is
unknown where it decides. iptables-legacy is not seen here. Macvlan containers have their own stack.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.facts.host import Host, InputChain
from exporter.facts.reading import Read
from exporter.report.findings import Outcome, Severity


def _has_no_ipv6(host: Host) -> bool:
    return dict(host.sysctls).get("net.ipv6.conf.all.disable_ipv6") == "1"


def examine(subject: HostSubject) -> Outcome:
    """Judge every chain at the input hook."""
    if not isinstance(subject.firewall, Read):
        return unknown("the rules of the firewall not readable", subject.firewall.reason)
    chains = subject.firewall.value.inputs
    denying = frozenset(chain.family for chain in chains if chain.denies)
    both = frozenset({"ip", "ip6"})
    needed = both - {"ip6"} if subject.host is not None and _has_no_ipv6(subject.host) else both
    if _covers(denying, both):
        return passed("denied by default")
    if _covers(denying, needed):
        return passed("denied by default, and there is no IPv6")
    unclear = {chain.family: chain for chain in chains if chain.unclear and not chain.opening}
    if _covers(denying | frozenset(unclear), needed):
        return unknown("the rules of the firewall cannot be followed", "; ".join(map(_unclear, unclear.values())))
    openings = "; ".join(f"{_place(chain)} accepts {chain.opening}" for chain in chains if chain.opening)
    if not denying:
        detail = f"{len(chains)} chains at the input hook, none denies"
        return failed("everything is let in", f"{detail}: {openings}" if openings else detail)
    alone = f"denied by default is {', '.join(sorted(denying))} alone"
    return failed("one of IPv4 and IPv6 is let in", f"{alone}: {openings}" if openings else alone)


def _covers(families: frozenset[str], needed: frozenset[str]) -> bool:
    return "inet" in families or needed <= families


def _place(chain: InputChain) -> str:
    return f"{chain.family} {chain.table} {chain.name}"


def _unclear(chain: InputChain) -> str:
    return f"{_place(chain)} may accept {chain.unclear}"


CHECK = Check(
    id="firewall_default_deny",
    title="What is not allowed in is denied",
    severity=Severity.CRITICAL,
    why="A service that was never meant to be reached, on the host or on a published port, must not be.",
    fix_host="policy drop for nftables' input chain, of table inet or of both ip and ip6; or firewalld with its "
    "default zones",
    references=("nft(8)", "CIS RHEL 4"),
    examine=examine,
)
