"""A server of its own for a script: free ports, known secret, a data directory that goes away.

In: the built program. Out: its addresses, calls of its REST, and a failure if it complained. Standard library only.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SECRET = "scripts-under-test"
ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


class Server:
    """The program, started; `kill` or `stop` it and `start` again on the same data and ports.

    `settings` are variables beyond those that a test needs; `files_max` is how many files it may have open. PROGRAM names
    another program than the debug build, such as target/release/openim.
    """

    def __init__(
        self, allowed: tuple[str, ...] = (), settings: dict[str, str] | None = None, files_max: int = 0
    ) -> None:
        target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
        self.program = Path(os.environ.get("PROGRAM") or target / "debug" / "openim").absolute()
        self.allowed = allowed
        self.settings = settings or {}
        self.files_max = files_max
        self.folder = tempfile.TemporaryDirectory(prefix="openim-script-")
        self.log: list[str] = []
        self.ports = free_ports(3)
        self.addresses: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """Starts it and waits for `ready`."""
        self.spawn()
        self.await_ready()

    def spawn(self) -> None:
        """Starts it and waits for nothing."""
        rest, websocket, operator = self.ports
        settings = {name: value for name, value in os.environ.items() if not name.startswith("OPENIM_")}
        settings |= {
            "OPENIM_SERVERIP": "127.0.0.1",
            "OPENIM_API_OPENIMAPIPORT": str(rest),
            "OPENIM_LONGCONNSVR_WEBSOCKETPORT": str(websocket),
            "OPENIM_ADMIN_LISTEN": f"127.0.0.1:{operator}",
            "OPENIM_GATEWAY_SHARDS": "2",
            "OPENIM_GATEWAY_PIN": "false",
            "OPENIM_SECRET": SECRET,
        } | self.settings
        self.process = subprocess.Popen(
            self.command(),
            env=settings,
            cwd=self.folder.name,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=self._limit_files if self.files_max else None,
        )
        self.reader = threading.Thread(target=self._keep_log, args=[self.process.stderr], daemon=True)
        self.reader.start()

    def command(self) -> list[str]:
        return [str(self.program), "serve", "--data-dir", f"{self.folder.name}/data"]

    def await_ready(self) -> None:
        watchdog = threading.Timer(READY_SECONDS_MAX, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        for line in self.process.stdout:
            words = line.split()
            if words == ["ready"]:
                watchdog.cancel()
                # Somebody must read on, or a server that prints more would wait.
                threading.Thread(target=self._read_on, args=[self.process.stdout], daemon=True).start()
                return
            if len(words) == 2 and "://" in words[1]:
                self.addresses[words[0]] = words[1].rstrip("/")
        raise SystemExit("the server did not get ready:\n" + "\n".join(self.log))

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def stop(self) -> int:
        """As an operator does; gives the exit code. One that does not end is killed, which its code shows."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        return self.process.returncode

    def alive(self) -> bool:
        return self.process.poll() is None

    def complaints(self) -> list[str]:
        """Lines of the log that say that something went wrong."""
        bad = [line for line in self.log if any(word in line for word in ("WARN", "ERROR", "panicked"))]
        return [line for line in bad if not any(text in line for text in self.allowed)]

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self.addresses["operator"] + "/healthz", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def post(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        """The answer of a route, whatever its status."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.addresses["rest"] + path, data, {"token": token})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            text = refused.read()
        return json.loads(text) if text.startswith(b"{") else {"errCode": -1, "errMsg": text.decode()}

    def register(self, uid: str) -> str:
        """Registers a user; gives their token."""
        body = {"secret": SECRET, "platform": 1, "uid": uid, "name": uid}
        return self.post("/auth/user_register", body)["data"]["token"]

    def token(self, uid: str) -> str:
        """A token of a registered user; empty if there is no such user."""
        answer = self.post("/auth/user_token", {"secret": SECRET, "platform": 3, "uid": uid})
        return answer["data"]["token"] if answer["errCode"] == 0 else ""

    def _limit_files(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files_max, self.files_max))

    @staticmethod
    def _read_on(lines: Any) -> None:
        for _ in lines:
            pass

    def _keep_log(self, lines: Any) -> None:
        for line in lines:
            self.log.append(line.rstrip())


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the system gives to outgoing connections: one of these could take
    the port of a server that is down for a moment."""
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise SystemExit("no free ports")


def wait_for(what: str, holds: Any, seconds: float = 120) -> None:
    """Waits until `holds()`; what does not happen ends the script."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"did not happen within {seconds} s: {what}")
        time.sleep(0.05)
