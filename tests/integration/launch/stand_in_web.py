"""A web process of the simplest kind: answers 200 to everything. Its arguments: host and port."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), _Answer).serve_forever()
