"""The firewall in force: the source (`source`), what becomes of a packet (`walk`), and what it meets (`condition`)."""

from exporter.sources.nftables.source import NftablesSource, parse_ruleset

__all__ = ["NftablesSource", "parse_ruleset"]
