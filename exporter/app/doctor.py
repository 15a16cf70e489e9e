"""Asks every source once and says of each: ok, not here, or cannot be read, and then what to install or grant.

    ok        podman       7 containers, 6 running (0.31 s)
    not here  zfs          ZFS is not on this host (no zfs module loaded)
    cannot    listen       cannot listen on 127.0.0.1:9946: the address is in use; ...
                           to do: end what listens there, or choose another with --listen

The sources are built and named as the agent has them (collectors.py), so what the doctor sees is what the agent sees.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exporter import __version__
from exporter.app.collectors import COLLECTORS, Sources
from exporter.app.diagnosis import Answers, Finding, State, finding_of
from exporter.app.one_shot import DEADLINE_SECONDS, asked
from exporter.app.web import web_settings
from exporter.config import Config, ConfigError, listen_address
from exporter.facts.reading import Reading, SourceError
from exporter.http import Gate, NoIpv6Loopback, ServeError, TlsError, opened
from exporter.present.untrusted import printable
from exporter.sources.log import JournaldSource

_DOCUMENT_VERSION = 1
_COLOURS = {State.OK: 32, State.NOT_HERE: 33, State.CANNOT: 31}  # green, yellow, red


def examine(sources: Sources, config: Config, deadline_seconds: float = DEADLINE_SECONDS) -> Iterator[Finding]:
    """The finding on each source, as soon as it has answered, in the order of the table of collectors."""
    readings: dict[str, Reading[Any]] = {}
    for collector in COLLECTORS:
        reading = asked(collector, sources, deadline_seconds)()
        sources.context.keep(collector.name, reading)
        readings[collector.name] = reading
        finding = finding_of(collector.name, reading, collector.words, collector.remedy)
        yield collector.amend(finding, reading, Answers(readings, config))
    yield from journal_findings(sources.ground.root)
    yield state_directory_finding(config.state_dir)
    yield web_finding(config)
    for listen in config.listen:
        yield listen_finding(listen)


def has_containers(sources: Sources, config: Config) -> bool:
    """Whether this host is worth serving: a podman socket, or a running container whoever started it."""
    if has_podman_socket(config):
        return True
    try:
        sources.ground.cgroup.discover()
        return bool(sources.ground.cgroup.read())
    except SourceError:
        return False


def has_podman_socket(config: Config) -> bool:
    """Whether one of the configured sockets is there."""
    for podman in config.podman_sockets:
        try:
            Path(podman.url.removeprefix("unix://")).stat()
        except PermissionError:
            return True  # something is hidden there: the doctor's and the log's words on it help more than an example
        except OSError:
            continue
        return True
    return False


def journal_findings(root: Path) -> Iterator[Finding]:
    """Whether the journal keeps the evidence that the ledger counts; nothing where journald does not run."""
    if not (root / "run/systemd/journal").is_dir():
        return
    found, _, remedy = JournaldSource(root).problem().partition(": ")
    if found:
        yield Finding("journal", State.CANNOT, found, f"{remedy}, and restart systemd-journald")
    else:
        yield Finding("journal", State.OK, "journald keeps what systemd and podman report")


def state_directory_finding(path: Path) -> Finding:
    """Whether the agent can keep its durable counts there."""
    name = "state_dir"
    grant = f"make it, writable for the account that runs the agent: install -d -m 0700 {path}"
    try:
        nearest = next(one for one in (path, *path.parents) if one.exists())
        is_directory = nearest.is_dir()
    except OSError as error:  # a directory above it that this account may not search
        return Finding(name, State.CANNOT, f"{path}: {error.strerror}", grant)
    if not is_directory:
        choose = "move it away, or choose another directory with --state-dir"
        return Finding(name, State.CANNOT, f"{nearest} is no directory", choose)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(name, State.CANNOT, f"{nearest} cannot be written by this account", grant)
    return Finding(name, State.OK, f"{path} can be written" if nearest == path else f"{path} can be made")


def web_finding(config: Config) -> Finding:
    """Whether the web configuration can be used, and what it asks of clients."""
    correct = f"correct {config.web.config_file}; docs/web.md has the format"
    try:
        settings = web_settings(config)
        Gate(settings)
    except (ConfigError, TlsError) as error:
        return Finding("web", State.CANNOT, "; ".join(str(error).splitlines()), correct)
    if settings.tls is None:
        how = "plain HTTP"
    else:
        how = f"TLS ({settings.tls.client_auth_type})" if settings.tls.client_ca_file else "TLS"
    count = len(settings.users)
    who = f"{count} {'user' if count == 1 else 'users'}" if count else "no password"
    return Finding("web", State.OK, f"{how}, {who}")


def listen_finding(listen: str) -> Finding:
    """Whether the agent could listen there, or does so already. The port is given back at once."""
    try:
        for listener in opened([listen]):
            listener.close()
    except NoIpv6Loopback:
        return Finding("listen", State.NOT_HERE, f"{listen}: this host has no IPv6")
    except ServeError as error:
        if _bulkhead_answers(listen):
            return Finding("listen", State.OK, f"Bulkhead serves on {listen} already")
        return Finding("listen", State.CANNOT, str(error), "end what listens there, or choose another with --listen")
    return Finding("listen", State.OK, f"{listen} is free")


def _bulkhead_answers(listen: str) -> bool:
    host, port = listen_address(listen)
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE  # nothing secret is asked or said
    for connection in (
        http.client.HTTPConnection(host or "localhost", port, timeout=1),
        http.client.HTTPSConnection(host or "localhost", port, timeout=1, context=unverified),
    ):
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/-/healthy")
            return connection.getresponse().headers["Server"] == "bulkhead"  # with a password, 401
    return False


def opening(config: Config) -> str:
    """What is asked, as whom, with which settings: the line above the findings."""
    settings = f"settings of {config.read_from}" if config.read_from else "default settings"
    who = (
        "root" if os.geteuid() == 0 else f"uid {os.geteuid()}, not root: run it with sudo to see what the service sees"
    )
    return f"Bulkhead {__version__}, {settings}, as {who}"


def as_line(finding: Finding, *, colours: bool) -> str:
    """One finding as people read it; the remedy, if there is one, on a line of its own."""
    took = f" ({finding.duration_seconds:.2f} s)" if finding.duration_seconds is not None else ""
    state = f"{finding.state:<8}"
    if colours:
        state = f"\033[{_COLOURS[finding.state]}m{state}\033[0m"
    line = f"{state}  {finding.name:<11}  {printable(finding.found)}{took}"
    if finding.remedy and finding.state is State.CANNOT:
        line += f"\n{'':<23}to do: {printable(finding.remedy)}"
    return line


def as_document(findings: Iterable[Finding], config: Config) -> str:
    """All findings as JSON."""
    document = {
        "version": _DOCUMENT_VERSION,
        "product_version": __version__,
        "config": str(config.read_from) if config.read_from else None,
        "uid": os.geteuid(),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(document, indent=2)
