"""Starting the app: Streamlit as a process of its own, on this machine only, without telemetry."""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from audit.errors import raise_violations
from audit.extras import require
from dashboards.runs import FOLDER_VARIABLE

_APP = Path(__file__).with_name("app.py")
_OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.disableDataExport": "true",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "viewer",
    "runner.magicEnabled": "false",
    "server.enableCORS": "true",
    "server.enableStaticServing": "false",
    "server.enableXsrfProtection": "true",
    "server.fileWatcherType": "none",
    "server.headless": "true",
    "server.maxUploadSize": "1",
}
_PATIENCE = 20.0  # seconds until the server answers


def launch(folder: Path, *, host: str = "127.0.0.1", port: int = 8501, browser: bool = True) -> int:
    """Show the runs of a folder in the app, until it is stopped.

    The app has no sign-in: whoever reaches the port sees every run. Therefore only addresses of this machine are
    accepted; to show it to others, put a proxy with sign-in before it.

    Parameters
    ----------
    folder
        The folder of runs (`audit.store.save_run`); it may still be missing.
    host
        A loopback address, or "localhost".
    port
        The port, 1 to 65535.
    browser
        Open a browser once the app answers.

    Returns
    -------
    int
        The exit code of the server; 130 where it was stopped by Ctrl-C or asked to end.

    Raises
    ------
    InputError
        If the host is not this machine, the port is none, or the folder is a file.
    MissingExtraError
        If Streamlit or Plotly is not installed.

    Examples
    --------
    An address that others reach is refused before anything is started.

    >>> try:
    ...     launch(Path("runs"), host="0.0.0.0")
    ... except ValueError as error:
    ...     print(str(error).partition(";")[0])
    host must be this machine (127.0.0.1, ::1 or localhost)
    """
    require("The dashboard", modules=["streamlit", "plotly"], extra="dashboard")
    raise_violations(_violations(folder, host, port))
    server = subprocess.Popen(command(host=host, port=port), env=_environment(folder))  # noqa: S603 - fixed arguments
    with _asked_to_stop():
        try:
            if browser and _answers(server, host, port):
                webbrowser.open(f"http://{_in_url(host)}:{port}")
            return server.wait()
        except KeyboardInterrupt:
            return 130
        finally:
            server.terminate()
            server.wait()


def command(*, host: str, port: int) -> list[str]:
    """Return the command line that starts the server; its options outrank every configuration file.

    Examples
    --------
    >>> line = command(host="127.0.0.1", port=8501)
    >>> line[1:4], "--browser.gatherUsageStats=false" in line
    (['-m', 'streamlit', 'run'], True)
    """
    options = _OPTIONS | {"server.address": host, "server.port": str(port)}
    hosts = [f"--server.allowedHosts={name}" for name in dict.fromkeys(("localhost", "127.0.0.1", host))]
    flags = [f"--{name}={value}" for name, value in sorted(options.items())]
    return [sys.executable, "-m", "streamlit", "run", str(_APP), *flags, *hosts]


@contextmanager
def _asked_to_stop() -> Iterator[None]:
    """Take a request to end like Ctrl-C, so that the server is not left behind (main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _violations(folder: Path, host: str, port: int) -> list[str]:
    violations = []
    if not _is_loopback(host):
        violations.append(
            f"host must be this machine (127.0.0.1, ::1 or localhost); got {host!r}; the app has no sign-in, so "
            "put a proxy with sign-in before it to reach it from elsewhere"
        )
    if not 1 <= port <= 65535:
        violations.append(f"port must lie in 1 to 65535; got {port}")
    if folder.exists() and not folder.is_dir():
        violations.append(f"{folder} is a file; name the folder of saved runs")
    return violations or _port_violations(host, port)


def _port_violations(host: str, port: int) -> list[str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return [
                f"port {port} of {host} cannot be had ({error.strerror}); name another one: --port {port % 65535 + 1}"
            ]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _environment(folder: Path) -> dict[str, str]:
    home = str(_APP.parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {FOLDER_VARIABLE: str(folder.resolve()), "PYTHONPATH": os.pathsep.join(paths)}


def _answers(server: "subprocess.Popen[bytes]", host: str, port: int) -> bool:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and server.poll() is None:
        connection = HTTPConnection(host, port, timeout=1.0)
        try:
            connection.request("GET", "/_stcore/health")
            if connection.getresponse().status == 200:
                return True
        except (OSError, HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
