"""Packets for the host that no rule accepts are dropped or rejected, for IPv4 and IPv6: nftables' input hook.

By the policy drop, as with plain nftables and ufw, or by a last rule that rejects, as with firewalld. Several chains
may hook there: one that denies is enough. iptables-legacy is not seen here. Macvlan containers have their own stack.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.facts.host import Host
from exporter.facts.reading import Read
from exporter.report.findings import Outcome, Severity


def _has_no_ipv6(host: Host) -> bool:
    return dict(host.sysctls).get("net.ipv6.conf.all.disable_ipv6") == "1"


def examine(subject: HostSubject) -> Outcome:
    """Judge every chain at the input hook."""
    if not isinstance(subject.firewall, Read):
        return unknown("the rules of the firewall not readable", subject.firewall.reason)
    chains = subject.firewall.value.inputs
    denying = {chain.family for chain in chains if chain.denies}
    if "inet" in denying or {"ip", "ip6"} <= denying:
        return passed("denied by default")
    if not denying:
        return failed("everything is let in", f"{len(chains)} chains at the input hook, none denies")
    if "ip" in denying and subject.host is not None and _has_no_ipv6(subject.host):
        return passed("denied by default, and there is no IPv6")
    return failed("one of IPv4 and IPv6 is let in", f"denied by default is {', '.join(sorted(denying))} alone")


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
