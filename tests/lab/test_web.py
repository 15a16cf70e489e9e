"""The web side as a real Prometheus meets it: TLS, passwords, certificates, and attacks of every kind beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab.agent import FRONT, START_SECONDS, UNITS, config, curl, parse, restart_agent
from tests.lab.machine import Machine
from tests.lab.pagers import PROMETHEUS, ask
from tests.lab.test_attacks import arm, assert_an_honest_scraper_has_its_page
from tests.lab.test_split import pid_of

HERE = "/etc/bulkhead-web"
FILES = f"{HERE}/web.yml"
# The front's account may read what is there, and nobody else.
GIVE = f"chgrp -R bulkhead {HERE}; chmod -R u=rwX,g=rX,o= {HERE}"
PASSWORD = "correct horse"
WITH_PASSWORD = """\
tls_server_config: {{ cert_file: server.crt, key_file: server.key }}
basic_auth_users: {{ prometheus: "{password}" }}
"""
WITH_CERTIFICATE = """\
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
"""
# Under other names first, then moved: so that no reader sees half of a file, as certbot and its kind do it.
NEW_PAIR = """
set -e; umask 027; cd {here}
openssl req -newkey rsa:2048 -noenc -subj /CN={name} -keyout {name}.key.new -out {name}.csr 2>/dev/null
printf 'subjectAltName = DNS:localhost, IP:127.0.0.1' >{name}.ext
openssl x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -days 2 -extfile {name}.ext -out {name}.crt.new 2>/dev/null
{give}
mv {name}.key.new {name}.key; mv {name}.crt.new {name}.crt
"""
AUTHORITY = """
set -e; umask 027; mkdir -p {here}; cd {here}
openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj '/CN=lab authority' -keyout ca.key -out ca.crt 2>/dev/null
{give}
"""
SCRAPES = f"""\
global: {{ scrape_interval: 2s, scrape_timeout: 2s }}
scrape_configs:
  - job_name: password
    scheme: https
    tls_config: {{ ca_file: {HERE}/ca.crt }}
    basic_auth: {{ username: prometheus, password: {PASSWORD} }}
    static_configs: [{{ targets: ["localhost:9946"] }}]
  - job_name: wrong_password
    scheme: https
    tls_config: {{ ca_file: {HERE}/ca.crt }}
    basic_auth: {{ username: prometheus, password: wrong }}
    static_configs: [{{ targets: ["localhost:9946"] }}]
  - job_name: certificate
    scheme: https
    tls_config: {{ ca_file: {HERE}/ca.crt, cert_file: {HERE}/client.crt, key_file: {HERE}/client.key }}
    static_configs: [{{ targets: ["localhost:9946"] }}]
  - job_name: plain
    static_configs: [{{ targets: ["localhost:9946"] }}]
"""
HASH = "python3 -c 'import bcrypt, sys; print(bcrypt.hashpw(sys.stdin.buffer.read(), bcrypt.gensalt(8)).decode())'"
CURL = f"curl -sS -m 20 --cacert {HERE}/ca.crt"
USER = f"-u 'prometheus:{PASSWORD}'"


@dataclass(frozen=True, slots=True)
class Served:
    """A guest that serves with TLS."""

    lab: Machine

    def configure(self, text: str) -> None:
        """Write the web configuration, as an administrator does."""
        self.lab.run(f"umask 027; cat >{FILES}; {GIVE}", stdin=text.encode())

    def new_pair(self, name: str) -> None:
        """Make a certificate and its key, in the place of those that there are."""
        self.lab.run(NEW_PAIR.format(here=HERE, name=name, give=GIVE), timeout_seconds=120)

    def status(self, options: str) -> str:
        """The status that curl gets with these options, 000 where it gets no answer."""
        command = f"{CURL} -o /dev/null -w '%{{http_code}}' {options} https://localhost:9946/metrics"
        return self.lab.run(command, check=False).stdout.decode()

    def serial(self) -> str:
        """The serial number of the certificate that is served."""
        return self.lab.ssh(
            "openssl s_client -connect localhost:9946 </dev/null 2>/dev/null | openssl x509 -noout -serial"
        )

    def up(self) -> dict[str, float]:
        """Whether each job of Prometheus had its last page: job -> 1 or 0."""
        (result,) = ask(self.lab, "up")
        return {each["metric"]["job"]: float(each["value"][1]) for each in result}

    def wait_up(self, **jobs: float) -> None:
        """Until Prometheus sees these jobs so."""
        self.lab.wait(lambda: self.up() == jobs, f"up of {jobs}", timeout_seconds=60, pause_seconds=1)


@pytest.fixture(scope="module")
def served(agent: Machine) -> Iterator[Served]:
    """The agent with TLS and a password; a Prometheus that tries all ways in."""
    one = Served(agent)
    agent.run(AUTHORITY.format(here=HERE, give=GIVE), timeout_seconds=120)
    one.new_pair("server")
    one.new_pair("client")
    password = agent.run(HASH, stdin=PASSWORD.encode()).stdout.decode().strip()
    one.configure(WITH_PASSWORD.format(password=password))
    settings = config(agent) + f'[web]\nconfig_file = "{FILES}"\n'
    agent.run("cat >/etc/bulkhead/config.toml", stdin=settings.encode())
    agent.run(f"systemctl restart {UNITS}", timeout_seconds=START_SECONDS)
    agent.wait(lambda: one.status(USER) == "200", "a page over TLS", timeout_seconds=START_SECONDS)
    agent.run(f"cat >{HERE}/prometheus.yml", stdin=SCRAPES.encode())
    agent.run(
        f"systemd-run --collect --unit=lab-web-prometheus /usr/bin/prometheus --config.file={HERE}/prometheus.yml"
        " --storage.tsdb.path=/var/tmp/lab-web-prometheus --web.listen-address=127.0.0.1:9090"
    )
    agent.wait(lambda: curl(agent, f"{PROMETHEUS}/-/ready") is not None, "Prometheus", timeout_seconds=60)
    yield one
    agent.run(f"systemctl stop lab-web-prometheus; rm -rf /var/tmp/lab-web-prometheus {HERE}")
    agent.run("cat >/etc/bulkhead/config.toml", stdin=config(agent).encode())
    restart_agent(agent)


def test_prometheus_has_its_page_with_the_right_password_and_a_trusted_certificate_alone(served: Served) -> None:
    served.wait_up(password=1, wrong_password=0, certificate=0, plain=0)
    assert served.status(USER) == "200"
    assert served.status("") == "401"
    assert served.status("-u prometheus:wrong") == "401"
    assert served.status(f"{USER} --tls-max 1.1") == "000"
    page = parse(served.lab.ssh(f"{CURL} {USER} https://localhost:9946/metrics"))
    assert page["bulkhead_build_info"]


def test_a_certificate_that_is_renewed_is_served_from_the_next_connection_on_without_a_gap(served: Served) -> None:
    process, before = pid_of(served.lab, FRONT), served.serial()
    served.new_pair("server")
    assert served.serial() != before
    served.wait_up(password=1, wrong_password=0, certificate=0, plain=0)
    (lowest,) = ask(served.lab, 'min_over_time(up{job="password"}[20s])')
    assert float(lowest[0]["value"][1]) == 1
    assert pid_of(served.lab, FRONT) == process


@pytest.mark.parametrize("attack", ["bad_tls", "guessed", "idle"])
def test_an_honest_scraper_has_its_page_over_tls_beside(served: Served, attack: str) -> None:
    arm(served.lab)
    url = f"https://prometheus:{PASSWORD}@localhost:9946/metrics"
    assert_an_honest_scraper_has_its_page(served.lab, attack, url, f"{HERE}/ca.crt")


def test_the_web_configuration_and_its_key_can_be_credentials_of_systemd(served: Served) -> None:
    lab = served.lab
    before = served.serial()
    served.new_pair("server")
    store, given = "/etc/credstore", "/run/credentials/bulkhead.service"
    text = lab.ssh(f"sed 's/server[.]/bulkhead.server./g' {FILES}")
    lab.run(f"umask 077; mkdir -p {store}; cat >{store}/bulkhead.web.yml", stdin=text.encode())
    lab.run(f"for each in crt key; do install -m 600 {HERE}/server.$each {store}/bulkhead.server.$each; done")
    settings = config(lab) + f'[web]\nconfig_file = "{given}/bulkhead.web.yml"\n'
    lab.run("cp /etc/bulkhead/config.toml /root/before.toml; cat >/etc/bulkhead/config.toml", stdin=settings.encode())
    try:
        lab.run(f"systemctl restart {FRONT}", timeout_seconds=START_SECONDS)
        lab.wait(lambda: served.status(USER) == "200", "a page over TLS", timeout_seconds=START_SECONDS)
        assert served.serial() != before
        assert lab.ssh(f"stat -c %U:%a {store}/bulkhead.server.key").strip() == "root:600"
    finally:
        lab.run(f"rm {store}/bulkhead.*; mv /root/before.toml /etc/bulkhead/config.toml; systemctl restart {FRONT}")
        lab.wait(lambda: served.status(USER) == "200", "a page as before", timeout_seconds=START_SECONDS)


def test_reload_asks_for_certificates_instead_and_a_mistake_changes_nothing(served: Served) -> None:
    lab, process = served.lab, pid_of(served.lab, FRONT)
    served.configure(WITH_CERTIFICATE)
    lab.run(f"systemctl reload {FRONT}")
    served.wait_up(password=0, wrong_password=0, certificate=1, plain=0)
    assert served.status(USER) == "000"
    served.configure("tls_server_config: { cert_file: nowhere.crt, key_file: server.key }\n")
    lab.run(f"systemctl reload {FRONT}")
    lab.wait(
        lambda: "nowhere.crt" in lab.ssh(f"journalctl -u {FRONT} -o cat -n 20"),
        "the reason",
        timeout_seconds=30,
    )
    served.wait_up(password=0, wrong_password=0, certificate=1, plain=0)
    assert pid_of(lab, FRONT) == process
