"""The only code that touches the host: `read_*` does I/O, `parse_*` is pure; roots, sockets and buses are injected."""
