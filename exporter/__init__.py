"""Bulkhead: watches the walls between hardened podman containers.

One fact flows one way: `sources` read the host into frozen `facts`, `assess` judges them,
`present` turns the judgement into text and samples. `agent` drives the cycle, `cli` wires it.
"""

__version__ = "0.1.0"
