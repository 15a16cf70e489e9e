"""bulkhead audit: reads the host once and judges every container, and the host itself, by every check."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from exporter.assess.audit import audited
from exporter.cli.command import add_command, add_config, add_podman_socket, settings
from exporter.cli.findings import EXIT_CODES, add_flags, show
from exporter.config import Config
from exporter.report.host import Report
from exporter.runtime import logs, process

if TYPE_CHECKING:
    from exporter.cli.command import Commands

_ABOUT = """\
Reads the host once, as `bulkhead serve` does again and again, judges every container and
the host itself by every hardening check and prints what it found: the worst first, why a
check fails, and how to mend it. DRIFT marks where what was declared and what the kernel
does differ; the kernel decides. What the configuration waives is told apart and fails
nothing. The service need not run, and nothing is changed.

Run it as root: other accounts may read neither podman's socket nor /proc of containers,
and then most checks are unknown. A source that does not answer within 30 s is told, and
the rest is judged without it.
"""

_EXAMPLES = """\
examples:
  sudo bulkhead audit
  sudo bulkhead audit --container 'web*' --container objects02
        some containers, and not the host; alice/blog is the name of one of a rootless user
  sudo bulkhead audit --format json | jq -r '.subjects[] | .name as $name
        | .findings[] | select(.drift) | "\\($name) \\(.check)"'
  sudo bulkhead audit --fail-on critical --format junit > bulkhead.xml
        in CI, after a deployment
  bulkhead audit --example
        an embedded example host: needs neither podman nor root

"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "audit",
        run,
        summary="judge this host and its every container, once",
        about=_ABOUT,
        epilog=_EXAMPLES + EXIT_CODES,
    )
    add_config(parser)
    add_podman_socket(parser)
    add_flags(parser)
    parser.add_argument(
        "--container",
        action="append",
        default=[],
        metavar="GLOB",
        help="only containers whose name matches (*, ?, [...]), and not the host; may be repeated",
    )
    parser.add_argument("--example", action="store_true", help="judge the embedded example host, not this one")


def run(arguments: argparse.Namespace) -> int:
    """Read, judge, print; the exit code."""
    config = settings(arguments)
    logs.start("error")
    report = _report_of_example(config) if arguments.example else _report_of_host(config)
    return show(audited(report, tuple(arguments.container)), arguments)


def _report_of_example(config: Config) -> Report:
    from exporter.app.example import build_example_agent  # noqa: PLC0415 - as in serve.py
    from exporter.app.reload import Standards  # noqa: PLC0415 - as in serve.py

    return build_example_agent(config, Standards(config)).report()


def _report_of_host(config: Config) -> Report:
    from exporter.app.build import build_of  # noqa: PLC0415 - as in serve.py
    from exporter.app.collectors import build_sources  # noqa: PLC0415 - as in serve.py
    from exporter.app.one_shot import survey  # noqa: PLC0415 - as in serve.py
    from exporter.assess.assessment import assess  # noqa: PLC0415 - as in serve.py

    process.raise_open_files_limit()
    return assess(survey(build_sources(config)), config.thresholds, build_of(config)(), config.waivers)
