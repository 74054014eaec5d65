"""A server on this machine that keeps what is posted to it."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@contextmanager
def served(answer):
    """Serve on this machine and keep what was posted; `answer` writes the reply."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, dict(self.headers), body))
            answer(self)

        def do_GET(self):  # what following a redirect would call
            self.do_POST()

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/hook/secret?token=5", posted
    finally:
        running.shutdown()
        running.server_close()
        thread.join(timeout=10)


def status(number, **headers):
    def answer(handler):
        handler.send_response(number)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture(scope="session")
def server():
    return served


@pytest.fixture(scope="session", name="status")
def status_fixture():
    return status
