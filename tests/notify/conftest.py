from __future__ import annotations

from pathlib import Path

import pytest

from tests.notify.host import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.live(900)
    return host
