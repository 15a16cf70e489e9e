"""Threads and the process: nothing here knows what a container is."""
