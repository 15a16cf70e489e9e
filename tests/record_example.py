"""Records the example host: asks every source of the host that it runs on, once, and prints the answers.

Run in the emulated host while all its containers are up:

    python3 -m tests.record_example > host.json
"""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

from exporter.app.collectors import build_sources
from exporter.app.one_shot import survey
from exporter.config import Config
from exporter.facts.reading import Read
from exporter.sources.example.recording import Recording, render_recording
from exporter.sources.example.script import FILLING, INTRUDED, KILLED, LOOPING


def record() -> Recording:
    """What the survey of `bulkhead audit` finds. Raises SystemExit where a source of the recording has no answer."""
    snapshot = survey(build_sources(Config()))
    answers: dict[str, Any] = {}
    for field in fields(Recording):
        if field.name == "recorded_at_seconds":
            continue
        reading = getattr(snapshot, field.name)
        if not isinstance(reading, Read):
            raise SystemExit(f"{field.name} cannot be recorded: {reading.reason}")
        answers[field.name] = reading.value
    return Recording(recorded_at_seconds=snapshot.taken_at_seconds, **answers)


def main() -> int:
    recording = record()
    ids = {container.name: container.id for container in recording.podman}
    alive = {tree.container_id for tree in recording.cgroup}
    for name in (KILLED, LOOPING, INTRUDED, FILLING):
        if ids.get(name) not in alive:
            print(f"{name} is not alive at this moment: start it and record again", file=sys.stderr)  # noqa: T201 - a tool
            return 1
    sys.stdout.buffer.write(render_recording(recording))
    return 0


if __name__ == "__main__":
    sys.exit(main())
