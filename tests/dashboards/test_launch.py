import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from audit.errors import InputError
from dashboards.launch import command, launch


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "127.0.0.1.evil.example"])  # noqa: S104
def test_only_this_machine(host, tmp_path):
    with pytest.raises(InputError, match="no sign-in"):
        launch(tmp_path, host=host, browser=False)


def test_every_fault_is_listed(tmp_path):
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        launch(path, host="0.0.0.0", port=0, browser=False)  # noqa: S104
    assert len(caught.value.violations) == 3


def test_options_close_what_is_not_needed():
    line = command(host="127.0.0.1", port=8501)
    for option in (
        "browser.gatherUsageStats=false",
        "client.showErrorDetails=none",
        "client.toolbarMode=viewer",
        "server.enableCORS=true",
        "server.enableXsrfProtection=true",
        "server.fileWatcherType=none",
        "server.headless=true",
        "server.address=127.0.0.1",
        "server.maxUploadSize=1",
        "server.allowedHosts=localhost",
    ):
        assert f"--{option}" in line


def test_the_report_needs_neither_streamlit_nor_plotly():
    code = (
        "import sys\n"
        "class Closed:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'streamlit', 'plotly', 'torch', 'fairlearn'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Closed())\n"
        "from dashboards.report import render_report\n"
        "from audit.result import Result\n"
        "assert '<main>' in render_report(Result(measurements=()), title='t')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_server_answers_its_own_hosts_only_and_ends_with_its_launcher(tmp_path, stop):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from pathlib import Path; from dashboards.launch import launch; "
    code += f"sys.exit(launch(Path({str(tmp_path)!r}), port={port}, browser=False))"
    server = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    try:
        assert wait_for(f"http://127.0.0.1:{port}/_stcore/health") == b"ok"
        assert handshake(port, "127.0.0.1").startswith("HTTP/1.1 101")
        assert handshake(port, "evil.example").startswith("HTTP/1.1 403")
    finally:
        server.send_signal(stop)
        assert server.wait(timeout=20) == 130
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def wait_for(url):
    for _ in range(150):
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
                return answer.read()
        except OSError:
            time.sleep(0.2)
    return None


def handshake(port, host):
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall("\r\n".join(lines).encode())
        return link.recv(200).decode(errors="replace")
