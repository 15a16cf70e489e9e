"""The names that a configuration may use: the clocks of all sources, and the ids of all checks."""

from __future__ import annotations

from exporter.app.collectors import CLOCKS
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS
from exporter.config import CheckIds, Vocabulary

VOCABULARY = Vocabulary(CLOCKS, CheckIds(tuple(check.id for check in CHECKS), tuple(check.id for check in HOST_CHECKS)))
