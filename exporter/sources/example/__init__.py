"""The embedded example host: a real host's facts, recorded, and set in motion.

`host.json` is what the sources answered on the emulated host of the integration tests (see
`tests/record_example.py`): the facts of every source, as msgspec writes them. `motion` moves them.
Everything from the snapshot on is the same code that serves a real host.
"""

from exporter.sources.example.recording import Recording, load_recording
from exporter.sources.example.script import ExampleHost

__all__ = ["ExampleHost", "Recording", "load_recording"]
