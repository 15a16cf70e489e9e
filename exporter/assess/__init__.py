"""What the facts mean: pure functions of a snapshot and the configured limits. No clock, no I/O, no logging."""
