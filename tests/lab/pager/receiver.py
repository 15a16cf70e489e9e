"""Webhook receiver: appends each notification that Alertmanager POSTs to a file, one JSON line each.

Usage: receiver.py PORT FILE. A line: {"at": seconds since the epoch, "path": "/tell", "body": Alertmanager's message}
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """Answers each POST with 200 once its line is written, and a GET too, to show that it is there."""

    def do_GET(self) -> None:
        self._done()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        line = json.dumps({"at": time.time(), "path": self.path, "body": body})
        with Path(sys.argv[2]).open("a", encoding="utf-8") as notifications:
            notifications.write(line + "\n")
        self._done()

    def _done(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
