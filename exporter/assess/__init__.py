"""What the facts mean: pure functions of a snapshot and the configured thresholds. No clock, no I/O, no logging."""
