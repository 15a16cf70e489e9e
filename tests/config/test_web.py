"""The web configuration file: what comes of it, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, Problem
from exporter.config.web import load_web
from exporter.config.web_settings import TlsSettings, WebSettings
from exporter.config.web_values import HEADERS

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"


def web(tmp_path: Path, text: str | bytes) -> WebSettings:
    path = tmp_path / "web.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_web(path)


def problems(tmp_path: Path, text: str | bytes) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        web(tmp_path, text)
    return [(problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "basic_auth_users:\n", "tls_server_config: {}"])
def test_an_empty_file_is_plain_http_for_everybody_but_for_a_tls_without_a_certificate(
    tmp_path: Path, text: str
) -> None:
    if "tls" in text:
        assert [words.partition(":")[0] for _, words in problems(tmp_path, text)] == [
            "tls_server_config.cert_file",
            "tls_server_config.key_file",
        ]
    else:
        assert web(tmp_path, text) == WebSettings()


def test_every_setting_can_be_set(tmp_path: Path) -> None:
    text = f"""
tls_server_config:
  cert_file: server.crt
  key_file: /etc/ssl/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: sub/ca.crt
  client_allowed_sans: [prometheus.example, 192.0.2.1]
  min_version: TLS12
  max_version: TLS12
  cipher_suites:
    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers:
    X-Frame-Options: sameorigin
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  prometheus: {HASH}
  yes: '{HASH}'
"""
    assert web(tmp_path, text) == WebSettings(
        TlsSettings(
            tmp_path / "server.crt",
            Path("/etc/ssl/server.key"),
            "RequireAndVerifyClientCert",
            tmp_path / "sub/ca.crt",
            ("prometheus.example", "192.0.2.1"),
            "TLS12",
            "TLS12",
            ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
            prefer_server_cipher_suites=False,
            curve="prime256v1",
        ),
        (("prometheus", HASH), ("yes", HASH)),
        (("X-Frame-Options", "sameorigin"), ("Strict-Transport-Security", "max-age=31536000")),
    )


def test_every_problem_is_reported_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    text = """\
tls_server_confg: {}
tls_server_config:
  cert_file: [a]
  min_version: TLS11
  curve_preferences: [CurveP256, CurveP384]
basic_auth_users:
  alice: secret-word
  al:ice: x
"""
    found = problems(tmp_path, text)
    assert [line for line, _ in found] == [1, 2, 3, 4, 5, 7, 8]
    assert found[0][1].startswith("unknown key tls_server_confg: did you mean tls_server_config? allowed here: tls_")
    assert found[1][1].startswith("tls_server_config.key_file: is missing")
    assert found[2][1] == (
        "tls_server_config.cert_file: found a list of 1; allowed: the path of a file, relative to this one or absolute"
    )
    assert 'min_version: found "TLS11", which OpenSSL and RFC 8996 have given up; allowed: TLS12' in found[3][1]
    assert "found 2 of them, and Python's ssl can be given a single curve; allowed: a list of one of" in found[4][1]
    assert found[5][1].startswith("basic_auth_users.alice: found no bcrypt hash; allowed: a bcrypt hash with a cost")
    assert "secret-word" not in str(found), "it may be somebody's password"
    assert found[6][1].startswith('basic_auth_users: found "al:ice"; allowed: names of users, without a colon')


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ("cert: x", "cert: Python's ssl loads certificates from files alone"),
        ("key: x", "key: Python's ssl loads keys from files alone"),
        ("client_ca: x", "client_ca: a certificate is not taken from here: write it into a file"),
        ("client_auth_type: RequireAnyClientCert", "a certificate that nobody verifies lets everybody in"),
        ("client_auth_type: RequestClientCert", "a certificate that nobody verifies lets everybody in"),
        ("client_auth_type: requireandverifyclientcert", "allowed: NoClientCert, VerifyClientCertIfGiven"),
        ("client_auth_type: VerifyClientCertIfGiven", "needs client_ca_file"),
        ("client_ca_file: x", "has no effect without client_auth_type"),
        ("client_allowed_sans: [x]", "needs client_auth_type: RequireAndVerifyClientCert"),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "which is of TLS 1.3: all of those are on"),
        ("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", 'found "TLS_RSA_WITH_RC4_128_SHA"; allowed: a list of TLS_'),
        ("cipher_suites: []", "found 0 of them"),
        ("curve_preferences: [X25519]", 'found "X25519"; allowed: a list of one of CurveP256'),
        ("prefer_server_cipher_suites: 1", 'found "1"; allowed: true or false'),
        ("min_version: TLS13\n  max_version: TLS12", "min_version: TLS13 is above max_version TLS12"),
        (
            "min_version: TLS13\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
            "cipher_suites: are those of TLS 1.2, which min_version leaves out",
        ),
        ("cert_file: y", "key cert_file is there twice, first on line 2"),
    ],
)
def test_what_would_have_no_effect_is_refused(tmp_path: Path, tls: str, words: str) -> None:
    found = problems(tmp_path, f"tls_server_config:\n  cert_file: a\n  key_file: b\n  {tls}\n")
    assert any(words in message for _, message in found), found
    assert all(line in {4, 5} for line, _ in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate_limit: {interval: 1s}", "rate_limit: is not in Bulkhead"),
        ("http_server_config: {http2: true}", "allowed: false, for Bulkhead has HTTP/1.1 alone"),
        ("http_server_config: {headers: {Server: x}}", "unknown key http_server_config.headers.Server"),
        ("http_server_config: {headers: {X-Frame-Options: DENY}}", "allowed: deny or sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb: c"}}', "allowed: a text of printable ASCII"),
        ("http_server_config: {headers: {Content-Security-Policy: ''}}", "left out, Bulkhead's own stays"),
        (f"basic_auth_users: {{a: {HASH.replace('$10$', '$20$')}}}", "found a cost of 20"),
        ("basic_auth_users: [a]", "basic_auth_users: found a list of 1; allowed: a mapping"),
        ("- a", "the file: found a list of 1; allowed: a mapping"),
        ("a: &x b\n", "found an anchor (&) or an alias (*)"),
        ("{[a]: b}", "found a key that is a list or a mapping"),
        ("a: b: c", "is not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 1", "is not YAML: but found another document"),
        ("[" * 5000, "has more than 8 levels or 2000 values"),
        ("a: \x01", "is not YAML: unacceptable character"),
        (b"\xff", "is not UTF-8"),
        ("#" * 70_000, "is larger than 64 KiB"),
    ],
)
def test_what_is_no_web_configuration_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    found = problems(tmp_path, text)
    assert words in found[0][1]
    assert len(found) == 1


def test_a_tag_makes_no_object(tmp_path: Path) -> None:
    text = 'basic_auth_users: !!python/object/apply:os.system ["exit 1"]'
    assert problems(tmp_path, text)[0][1].startswith("basic_auth_users: found a list of 1")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.yml: there is no such file: write it, or leave --web.config.file out"):
        load_web(tmp_path / "web.yml")


@given(st.text())
def test_any_text_is_a_web_configuration_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with suppress(ConfigError):
        load_web(path)


KEYS = st.sampled_from(
    [
        *("tls_server_config", "http_server_config", "basic_auth_users", "cert_file", "key_file", "headers"),
        *("client_auth_type", "client_ca_file", "min_version", "cipher_suites", "curve_preferences", "http2", *HEADERS),
    ]
)
VALUES = st.recursive(
    st.sampled_from(["TLS12", "yes", "null", HASH, "'x'", '"\\ud800"', "1e9", "*a", "!!binary x", "2026-01-01", "="]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=4))
def test_any_yaml_of_known_keys_is_a_web_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "known.yml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in pairs))
    told: tuple[Problem, ...] = ()
    try:
        load_web(path)
    except ConfigError as error:
        told = error.problems
    assert all(len(problem.message) < 1000 and problem.line for problem in told)
