"""Limits of a container: how near it is to its memory limit, and whether limits stand as they were asked for."""
