"""Performance claims, as ratios of two things measured side by side on this machine: `make bench`.

1. cgroup files kept open and read with pread, against open, read and close each time.
2. a settlement of 1,000 containers against one of 100: about 10 times; and what the keeper takes of a CPU while the
   counts of one of 1,000 containers change without end: a tenth at the most.
3. the parts of one scrape of the recorded host: facts, judgement and rendering, as shares of the whole.
4. a page rendered with what was encoded 15 s before, against one that is rendered anew.
"""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Callable

from exporter.assess.assessment import Build, assess
from exporter.present.metrics.exposition import Exposition, render
from exporter.report.thresholds import Thresholds
from exporter.sources.example import ExampleHost, load_recording
from tests import bench_cgroup, bench_ledger

ROUNDS = 20


def best_seconds(work: Callable[[], object]) -> float:
    """The quickest of some rounds: what the work costs when nothing disturbs it."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Measure and print."""
    print(f"open, read, close over kept open: {bench_cgroup.ratio():.2f}")  # noqa: T201 - a bench prints

    print(f"a settlement of 1,000 containers over one of 100: {bench_ledger.growth():.1f}")  # noqa: T201 - a bench prints
    print(f"the keeper of counts that change without end: {bench_ledger.share_of_a_cpu():.0%} of a CPU")  # noqa: T201 - a bench prints

    host = ExampleHost(load_recording(), 0.0)
    snapshot = host.snapshot(300.0)
    report, later = (assess(host.snapshot(seconds), Thresholds(), Build()) for seconds in (300.0, 315.0))
    page = render(report, None)[0]
    exposition, turns = Exposition(), itertools.cycle((report, later))
    anew = best_seconds(lambda: render(report, None))
    parts = {
        "judge": best_seconds(lambda: assess(snapshot, Thresholds(), Build())),
        "render": best_seconds(lambda: exposition.render(next(turns), None)),
        "gzip": best_seconds(lambda: gzip.compress(page, 6)),
    }
    whole = sum(parts.values())
    samples = sum(1 for line in page.splitlines() if not line.startswith(b"#"))
    print(f"{len(report.containers)} containers, {samples} samples, {whole * 1000:.0f} ms a scrape without its reads:")  # noqa: T201 - a bench prints
    for name, seconds in parts.items():
        print(f"  {name:7} {seconds / whole:4.0%}")  # noqa: T201 - a bench prints
    print(f"a page rendered anew over one 15 s after another: {anew / parts['render']:.1f}")  # noqa: T201 - a bench prints


if __name__ == "__main__":
    main()
