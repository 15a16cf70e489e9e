"""The web configuration file, in the format that Prometheus and its exporters share: TLS, headers, users.

    tls_server_config:
      cert_file: server.crt          # relative paths are relative to this file
      key_file: server.key
    basic_auth_users:
      prometheus: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG

The format is that of prometheus/exporter-toolkit, docs/web-configuration.md. What it has and Python's ssl cannot do is
refused in words, and never passed over: a client must not be let in because a line had no effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exporter.config import yaml_nodes
from exporter.config.reader import ConfigError, Problem, read_text
from exporter.config.values import Kind, NotAllowed, shown
from exporter.config.web_settings import TlsSettings, WebSettings
from exporter.config.web_values import (
    CIPHER_SUITES,
    CLIENT_AUTH,
    CURVES,
    FILE,
    HEADERS,
    PREFERENCE,
    PROTOCOL,
    SANS,
    USER,
    VERIFIES,
)
from exporter.config.yaml_nodes import Mapping as YamlMapping
from exporter.config.yaml_nodes import Node, NotYaml, Scalar, Sequence

_USERS_MAX = 100


_REFUSED = {
    ("tls_server_config", "cert"): "Python's ssl loads certificates from files alone: write it into one for cert_file",
    ("tls_server_config", "key"): "Python's ssl loads keys from files alone: write it into one for key_file",
    ("tls_server_config", "client_ca"): "a certificate is not taken from here: write it into a file for client_ca_file",
    ("rate_limit",): "is not in Bulkhead, which bounds connections, clients and pages by itself: leave it out",
}
_TLS: dict[str, Kind] = {
    "cert_file": FILE,
    "key_file": FILE,
    "client_auth_type": CLIENT_AUTH,
    "client_ca_file": FILE,
    "client_allowed_sans": SANS,
    "min_version": PROTOCOL,
    "max_version": PROTOCOL,
    "cipher_suites": CIPHER_SUITES,
    "prefer_server_cipher_suites": PREFERENCE,
    "curve_preferences": CURVES,
}
_TOP = ("tls_server_config", "http_server_config", "basic_auth_users")


def load_web(path: Path) -> WebSettings:
    """The settings of the file. Raises ConfigError with every problem there is."""
    text = read_text(path, "--web.config.file")
    try:
        document = yaml_nodes.document_of(text)
    except NotYaml as error:
        raise ConfigError((Problem(str(path), error.line, str(error)),)) from None
    reader = _Reader(path.absolute().parent)
    settings = reader.settings(document)
    if reader.problems:
        ordered = sorted(reader.problems, key=lambda found: found[0])
        raise ConfigError(tuple(Problem(str(path), line, message) for line, message in ordered))
    return settings


class _Reader:
    """Reads one document, and keeps what is wrong with it: the line and the words."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.problems: list[tuple[int, str]] = []

    def settings(self, document: Node | None) -> WebSettings:
        """The settings; of no use where there are problems."""
        if document is None:
            return WebSettings()
        top = self._mapping("the file", document)
        self._refuse_unknown((), top, _TOP)
        tls: TlsSettings | None = None
        users: tuple[tuple[str, str], ...] = ()
        headers: tuple[tuple[str, str], ...] = ()
        for key, node in top.items():
            match key.text:
                case "tls_server_config":
                    tls = self._tls(node, key.line)
                case "http_server_config":
                    headers = self._http(node)
                case "basic_auth_users":
                    users = self._users(node)
        return WebSettings(tls, users, headers)

    def _mapping(self, name: str, node: Node) -> Mapping[Scalar, Node]:
        if isinstance(node, Scalar) and node.sort == "null":
            return {}
        if not isinstance(node, YamlMapping):
            self.problems.append((node.line, f"{name}: found {_found(node)}; allowed: a mapping, KEY: VALUE"))
            return {}
        first: dict[str, Scalar] = {}
        found: dict[Scalar, Node] = {}
        for key, value in node.items:
            if key.text in first:
                words = f"{name}: key {_quoted(key)} is there twice, first on line {first[key.text].line}"
                self.problems.append((key.line, words))
            else:
                first[key.text] = key
                found[key] = value
        return found

    def _refuse_unknown(self, above: tuple[str, ...], mapping: Mapping[Scalar, Node], known: tuple[str, ...]) -> None:
        for key in mapping:
            path = (*above, key.text)
            if path in _REFUSED:
                self.problems.append((key.line, f"{'.'.join(path)}: {_REFUSED[path]}"))
            elif key.text not in known:
                near = difflib.get_close_matches(key.text, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                name = ".".join((*above, _quoted(key)))
                self.problems.append((key.line, f"unknown key {name}: {hint}allowed here: {', '.join(known)}"))

    def _value(self, name: str, node: Node, kind: Kind) -> Any:
        """What the kind makes of the value; None where it is refused."""
        try:
            return kind.parse(_plain(node))
        except NotAllowed as error:
            words = str(error) or f"found {_found(node)}"
            self.problems.append((node.line, f"{name}: {words}; allowed: {kind.allowed}"))
            return None

    def _tls(self, node: Node, line: int) -> TlsSettings | None:
        table = "tls_server_config"
        mapping = self._mapping(table, node)
        self._refuse_unknown((table,), mapping, tuple(_TLS))
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value_node in mapping.items():
            if kind := _TLS.get(key.text):
                lines[key.text] = key.line
                values[key.text] = self._value(f"{table}.{key.text}", value_node, kind)
        wrong = [(lines.get(key, line), f"{table}.{key}: {words}") for key, words in _contradictions(mapping, values)]
        self.problems += wrong
        if any(value is None for value in values.values()) or wrong:
            return None
        curve = values.pop("curve_preferences", "")
        paths = {key: self._directory / value for key, value in values.items() if key.endswith("_file")}
        return TlsSettings(**(values | paths), curve=curve)

    def _http(self, node: Node) -> tuple[tuple[str, str], ...]:
        table = "http_server_config"
        mapping = self._mapping(table, node)
        self._refuse_unknown((table,), mapping, ("http2", "headers"))
        headers: list[tuple[str, str]] = []
        for key, value in mapping.items():
            if key.text == "http2" and not (isinstance(value, Scalar) and value.text == "false"):
                words = f"{table}.http2: found {_found(value)}; allowed: false, for Bulkhead has HTTP/1.1 alone"
                self.problems.append((value.line, words))
            if key.text == "headers":
                found = self._mapping(f"{table}.headers", value)
                self._refuse_unknown((table, "headers"), found, tuple(HEADERS))
                headers += [
                    (name.text, self._value(f"{table}.headers.{name.text}", text, HEADERS[name.text]))
                    for name, text in found.items()
                    if name.text in HEADERS
                ]
        return tuple(headers)

    def _users(self, node: Node) -> tuple[tuple[str, str], ...]:
        table = "basic_auth_users"
        mapping = self._mapping(table, node)
        if len(mapping) > _USERS_MAX:
            self.problems.append((node.line, f"{table}: found {len(mapping)} users; allowed: up to {_USERS_MAX}"))
            return ()
        users = []
        for name, value in mapping.items():
            if not name.text or ":" in name.text or not name.text.isprintable():
                words = f"{table}: found {_quoted(name)}; allowed: names of users, without a colon"
                self.problems.append((name.line, words))
                continue
            users.append((name.text, self._value(f"{table}.{_quoted(name)}", value, USER)))
        return tuple(users)


def _contradictions(mapping: Mapping[Scalar, Node], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The key at fault, and why: what each key says by itself is right."""
    given = {key.text for key in mapping}
    for key, inline in (("cert_file", "cert"), ("key_file", "key")):
        if not given & {key, inline}:
            yield key, "is missing: TLS needs cert_file and key_file; without TLS, leave tls_server_config out"
    auth = values.get("client_auth_type", "NoClientCert")
    if auth in VERIFIES and not given & {"client_ca_file", "client_ca"}:
        yield "client_auth_type", f"{auth} needs client_ca_file, which says who signs the clients' certificates"
    if auth == "NoClientCert" and "client_ca_file" in given:
        yield "client_ca_file", f"has no effect without client_auth_type; allowed with it: {', '.join(VERIFIES)}"
    if values.get("client_allowed_sans") and auth != "RequireAndVerifyClientCert":
        yield "client_allowed_sans", "needs client_auth_type: RequireAndVerifyClientCert"
    lowest, highest = values.get("min_version") or "TLS12", values.get("max_version") or "TLS13"
    if lowest > highest:
        yield "min_version", f"{lowest} is above max_version {highest}"
    if values.get("cipher_suites") and lowest == "TLS13":
        yield "cipher_suites", "are those of TLS 1.2, which min_version leaves out"


def _plain(node: Node) -> object:
    """The value as kinds take it: a text, a bool, or a tuple of texts."""
    match node:
        case Scalar(sort="null"):
            return None
        case Scalar(text=text, sort="bool") if text in {"true", "false"}:
            return text == "true"
        case Scalar(text=text):
            return text
        case Sequence(items=items):
            return tuple(item.text if isinstance(item, Scalar) else None for item in items)
        case _:
            return None


def _found(node: Node) -> str:
    match node:
        case Scalar(sort="null"):
            return "nothing"
        case Scalar(text=text):
            return shown(text)
        case Sequence(items=items):
            return f"a list of {len(items)}"
        case _:
            return "a mapping"


def _quoted(key: Scalar) -> str:
    text = shown(key.text)
    return text[1:-1] if text[1:-1] == key.text and key.text.replace("_", "").replace("-", "").isalnum() else text
