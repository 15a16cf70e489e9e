from __future__ import annotations

from pathlib import Path

import pytest

from exporter.cli import main
from tests.notify.alertmanager import alertmanager, answers


def test_one_line_says_of_each_what_came_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    token = tmp_path / "token"
    token.write_text("geheim")
    with alertmanager() as well, alertmanager(answers(401, "go away")) as ill:
        config.write_text(
            f'[[alertmanagers]]\nurl = "{well.url}/"\nbearer_token_file = "{token}"\n'
            f'[[alertmanagers]]\nurl = "{ill.url}"\n[alerts]\ninstance = "host1"\n'
            'external_labels = { site = "east" }\n'
        )
        assert main(["alert-test", "--config", str(config)]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"{well.url}: accepted within ")
        assert lines[1] == f"{ill.url}: not accepted: HTTP 401 Unauthorized: go away"
        firing, ended = well.taken
        assert firing["labels"] == {
            "alertname": "BulkheadTest",
            "severity": "none",
            "instance": "host1",
            "job": "bulkhead",
            "site": "east",
        }
        assert firing["labels"] == ended["labels"]
        assert firing["startsAt"] == ended["startsAt"] < ended["endsAt"] < firing["endsAt"]
        # One by its address is reached with what is configured for it.
        assert main(["alert-test", "--config", str(config), "--alertmanager", well.url]) == 0
        assert {headers["Authorization"] for _, headers in well.requests} == {"Bearer geheim"}


def test_without_an_alertmanager_there_is_nobody_to_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    assert main(["alert-test", "--config", str(config)]) == 1
    assert "no Alertmanager is configured" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["localhost:9093", "http://me:secret@localhost:9093", "ftp://x"])
def test_an_address_that_is_none_is_wrong_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["alert-test", "--alertmanager", url])
    assert ended.value.code == 2
    assert "secret" not in capsys.readouterr().err
