#!/usr/bin/python3
"""signetd started by systemd's socket activation, at the first who connects: to the control socket, or to the loopback port.

usage: tests/socket_activation.py FOLDER-OF-SIGNETD MODULE

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ORIGIN = "https://sign.example"
WITHIN_S = 30
POLL_S = 0.05


def until(condition, what):
    deadline = time.monotonic() + WITHIN_S
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WITHIN_S} s: {what}")
        time.sleep(POLL_S)
    return value


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class SocketActivationTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="activation-")))
        (self.folder / "run").mkdir(mode=0o700)
        self.control = self.folder / "run" / "control.sock"
        # What systemd gives is taken: none of the ports in the configuration is free.
        taken = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        self.port = free_port()
        self.configuration = self.folder / "signet.toml"
        self.configuration.write_text(
            f'control_socket = "{self.control}"\n[web]\nports = [{taken.getsockname()[1]}]\norigins = ["{ORIGIN}"]\n'
            f'[[modules]]\nname = "fake"\npath = "{MODULE}"\n[devices]\nmodule_folders = ["{pathlib.Path(MODULE).parent}"]\n',
            encoding="utf-8",
        )
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            # As systemd/*.socket: the names, and a control socket for its user alone. It becomes signetd when somebody connects.
            self.process = subprocess.Popen(
                ["systemd-socket-activate", "--fdname=control:web", f"--listen={self.control}", f"--listen=127.0.0.1:{self.port}"]
                + [f"--setenv=XDG_STATE_HOME={self.folder / 'state'}"]
                + [BIN / "signetd", "--config", self.configuration],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, umask=0o077,
            )
        self.addCleanup(self.end)
        until(lambda: self.control.exists() or self.process.poll() is not None, "the sockets are there")
        until(self.listens, "the port is there")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WITHIN_S)
        self.assertEqual(code, 0, self.log.read_text())

    def listens(self):
        """Whether the port is listened on, without a connection: that would start the agent."""
        row = f" 0100007F:{self.port:04X} 00000000:0000 0A "
        return row in pathlib.Path("/proc/net/tcp").read_text()

    def program(self):
        return os.readlink(f"/proc/{self.process.pid}/exe").rsplit("/", 1)[-1]

    def signet(self, *words):
        command = [BIN / "signet", "--config", self.configuration, "--json", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.log.read_text())
        return json.loads(done.stdout)

    def upgrade(self):
        """The first line of the answer to a page's WebSocket."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN_S) as page:
            key = base64.b64encode(os.urandom(16)).decode()
            lines = ["GET /v1 HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Origin: {ORIGIN}", "Connection: Upgrade", "Upgrade: websocket"]
            lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Protocol: signet.v1", "", ""]
            page.sendall("\r\n".join(lines).encode())
            with page.makefile("rb") as answer:
                return answer.readline().decode().strip()

    def test_a_command_starts_it(self):
        """a command is answered by an agent that it started, on both sockets that systemd opened"""
        self.assertEqual(self.program(), "systemd-socket-activate")
        before = self.control.stat()
        self.assertEqual(self.signet("status")["port"], self.port)
        self.assertEqual(self.program(), "signetd")
        self.assertEqual(len(self.signet("tokens")["tokens"]), 1)
        self.assertEqual(self.upgrade(), "HTTP/1.1 101 Switching Protocols")
        after = self.control.stat()
        self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode), "the control socket is systemd's")

    def test_a_page_starts_it(self):
        """a page's WebSocket is answered by an agent that it started, and commands then find that agent"""
        self.assertEqual(self.upgrade(), "HTTP/1.1 101 Switching Protocols")
        self.assertEqual(self.program(), "signetd")
        self.assertEqual(self.signet("status")["port"], self.port)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if shutil.which("systemd-socket-activate") is None:
        print("socket_activation.py: cannot run here: no systemd-socket-activate", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    BIN, MODULE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
