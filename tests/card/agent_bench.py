"""What agent_test.py stands on: the control socket of the card, a display, dialogs, a signetd, memory of processes."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

PUK = "90471625"
PIN = "58203917"  # long, so that a run of five of its digits is not found by chance
# Well formed: the card counts them.
WRONG_PIN = "13572468"
WRONG_PUK = "24681357"
SHORTEST_RUN = 5

POLL_S = 0.02
WITHIN_S = 15  # for what takes milliseconds on an idle machine
# Until a host is given up that OpenSC 0.23 let hang: it may, for good, when a card is pulled while it signs.
HANGING_WITHIN_S = 30 + WITHIN_S


def until(condition, what, within_s=WITHIN_S):
    """The first true value of condition(); an AssertionError that names `what` if there is none in time."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(POLL_S)
    return value


def typed_wrong(what):
    """A PIN ("pin") or PUK ("puk") is about to be typed that a card has to refuse. with_card.sh compares the sum with what the
    cards have refused in the end, and AgentTest after each test. Nothing else may count here: what is typed is counted by what
    types it."""
    with open(os.environ["SIGNET_CARD_TYPED_WRONG"], "a", encoding="utf-8") as file:
        file.write(f"{what}\n")


def count_if_wrong(secret):
    if secret in (WRONG_PIN, WRONG_PUK):
        typed_wrong("pin" if secret == WRONG_PIN else "puk")


def refusals():
    """(typed wrong, refused) until now: of PINs, of PUKs."""
    typed = pathlib.Path(os.environ["SIGNET_CARD_TYPED_WRONG"])
    lines = typed.read_text(encoding="utf-8").split() if typed.exists() else []
    cards = [Card(int(name.rsplit("_", 1)[1])) for name in os.environ if re.fullmatch(r"SIGNET_CARD_CTL_\d+", name)]
    statuses = [card.tell("status") for card in cards]
    return {what: (lines.count(what), sum(status[f"{what}_refused"] for status in statuses)) for what in ("pin", "puk")}


def alive(process):
    """Whether a process that is not of ours is still there, and no zombie."""
    try:
        status = pathlib.Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] not in "ZX"


class Card:
    """The emulator's control socket; of the first card, or the one with this number."""

    def __init__(self, number=1):
        self._socket = os.environ[f"SIGNET_CARD_CTL_{number}"]

    def tell(self, line):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._socket)
            connection.sendall(line.encode() + b"\n")
            with connection.makefile() as answers:
                answer = json.loads(answers.readline())
        if not answer["ok"]:
            raise AssertionError(f"{line}: {answer}")
        return answer

    def pull(self):
        """Out of the reader, and until pcscd has seen it. Nothing shall ask the agent before: OpenSC 0.23 hangs in
        C_GetTokenInfo (sc_unlock keeps its mutex) when asked twice about a card that is gone unseen."""
        self.tell("remove")
        self.wait_until_pulled()

    def wait_until_pulled(self):
        def readers():
            command = ["opensc-tool", "--list-readers"]
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S).stdout

        until(lambda: not re.search(r"^\d+ +Yes ", readers(), re.M), "pcscd sees that the card is gone")

    def make_new(self):
        for line in ("insert", "delay 0", "fail-after 0", "fail 9000 0", "at none", f"pins {PIN} {PUK}"):
            self.tell(line)
        self._before = self.tell("status")

    @property
    def tries(self):
        return self.tell("status")["tries"]

    @property
    def counted(self):
        """What it was asked since make_new: signatures made with 9C, PINs presented, and those that were wrong."""
        now = self.tell("status")
        return {
            "signatures": now["sign"]["9C"] - self._before["sign"]["9C"],
            "verify": now["verify"] - self._before["verify"],
            "verify_failed": now["verify_failed"] - self._before["verify_failed"],
        }


    @property
    def presented(self):
        """PINs and PUKs that it compared since make_new, and those that were wrong."""
        now = self.tell("status")
        names = ("pin_presented", "pin_refused", "puk_presented", "puk_refused")
        return {name: now[name] - self._before[name] for name in names}


class Display:
    """An X server without window manager. -noreset: else it starts anew when a dialog was its last client, and refuses
    who comes meanwhile."""

    def __init__(self):
        read, write = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"],
            pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as number:
            self.name = ":" + number.readline().strip()

    def stop(self):
        self._server.terminate()
        self._server.wait()

    def xdotool(self, *words, text=None):
        return subprocess.run(
            ["xdotool", *words], input=text, env={**os.environ, "DISPLAY": self.name},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=WITHIN_S,
        ).stdout

    def dialogs(self):
        """The processes whose dialogs are there. Not their windows: each X client gets the numbers of the one before."""
        return [process for process, _ in self._windows()]

    def _windows(self):
        found = []
        for window in self.xdotool("search", "--onlyvisible", "--name", "^Signet$").split():
            if process := self.xdotool("getwindowpid", window).strip():  # none: closed meanwhile
                found.append((int(process), window))
        return found

    def dialog(self, signing=None, within_s=WITHIN_S):
        """The dialog that is there or soon to come, of a `signet sign` where that is given."""
        until(lambda: self._windows() or (signing and signing.ended()), "a dialog on the display", within_s)
        windows = self._windows()
        assert windows, f"no dialog: {signing and (signing.exit_code(), signing.said)}"
        assert len(windows) == 1, f"one dialog at a time, not {windows}"
        return Dialog(self, *windows[0])

    def picture(self, name):
        """For people to look at: SIGNET_SCREENSHOTS=FOLDER."""
        if folder := os.environ.get("SIGNET_SCREENSHOTS"):
            file = pathlib.Path(folder) / f"{name}.png"
            command = ["import", "-display", self.name, "-window", "root", str(file)]
            subprocess.run(command, check=True, timeout=WITHIN_S)


class Dialog:
    def __init__(self, display, process, window):
        self._display = display
        self.process = process
        # Without a window manager nobody else gives it the keyboard.
        display.xdotool("windowfocus", "--sync", window)

    def type_pin(self, pin, then="Return", wrong=None):
        """`wrong`: what it is ("pin", "puk") that the card is to refuse, where that is neither WRONG_PIN nor WRONG_PUK."""
        if wrong:
            typed_wrong(wrong)
        elif then == "Return":
            count_if_wrong(pin)
        # On standard input: other processes can read arguments.
        self._display.xdotool("type", "--clearmodifiers", "--delay", "8", "--file", "-", text=pin)
        self.press(then)

    def type_twice(self, pin, again=None, then="Return"):
        """Into both fields of a new PIN."""
        self._display.xdotool("type", "--clearmodifiers", "--delay", "8", "--file", "-", text=pin)
        # GTK has a button between them.
        with_button = pathlib.Path(f"/proc/{self.process}/comm").read_text().startswith("pinentry-gtk")
        self._display.xdotool("key", *["Tab"] * (2 if with_button else 1))
        self._display.xdotool("type", "--clearmodifiers", "--delay", "8", "--file", "-", text=again or pin)
        self._display.xdotool("key", then)

    def press(self, *keys):
        self._display.xdotool("key", *keys)
        self.gone()

    def gone(self, within_s=WITHIN_S):
        until(lambda: self.process not in self._display.dialogs(), "the dialog is gone", within_s)


class Agent:
    """A signetd with folders of its own. `told` is what it says to its dialogs, where `recorded` asks for that."""

    def __init__(
        self,
        bin_folder,
        folder,
        *,
        display=None,
        pinentry="/usr/bin/pinentry-gtk-2",
        recorded=False,
        tsa=None,
        scope="batch",
        timeout_s=60,
        opensc_conf=None,
        journal=None,
        language="en",
        module=None,
        module_keys="",
        softhsm=None,
        modules=None,
        more="",
        sees_token=True,
        on_lock="pause",
        pin_cache="",
        web="",
        environment=None,
    ):
        """`modules`: paths, in place of the card's module; `pin_cache` and `web`: further keys of these tables of the
        configuration; `more`: further tables."""
        self._bin = pathlib.Path(bin_folder)
        self.folder = pathlib.Path(folder)
        self.log, self._told = self.folder / "log", self.folder / "told"
        self.journal = pathlib.Path(journal or self.folder / "journal")
        for name in ("run", "home"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "OPENSC_CONF": str(opensc_conf or os.environ["OPENSC_CONF"]),
            "LANG": "C.UTF-8",
            # Else a dialog that finds no session bus starts one (dbus-x11), which stays.
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        self._sees_token = sees_token
        self.ends_with = 0  # the exit code that its end is to have
        if modules is None:
            modules = [module or os.environ["SIGNET_CARD_MODULE"]]
        named = "".join(f'[[modules]]\nname = "module{number or ""}"\npath = "{path}"\n{module_keys}\n' for number, path in enumerate(modules))
        if softhsm is not None:
            self._environment["SOFTHSM2_CONF"] = str(softhsm)
        self._environment |= environment or {}
        if display is not None:
            self._environment["DISPLAY"] = display.name
        if recorded:
            pinentry = self._recorder(pinentry)
        self._configuration = self.folder / "signet.toml"
        self._configuration.write_text(
            f"""language = "{language}"
journal = "{self.journal}"
log_level = "debug"
{named}[web]
origins = ["{Page.ORIGIN}", "{Page.OTHER_ORIGIN}"]
{web}
[pin_cache]
scope = "{scope}"
on_lock = "{on_lock}"
{pin_cache}
[dialog]
pinentry = "{pinentry}"
timeout_s = {timeout_s}
"""
            + (f'[time_stamping]\nurls = ["{tsa}"]\n' if tsa else "")
            + more,
            encoding="utf-8",
        )
        self._start()

    def _start(self):
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "signetd", "--config", self._configuration],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(lambda: self.status() is not None or self._process.poll() is not None, "signetd answers")
        if self._sees_token:
            until(lambda: self.query("tokens").get("tokens"), "signetd sees the card")

    def _recorder(self, pinentry):
        """A program that becomes the pinentry and keeps a copy of what it is told; not of what it answers."""
        program = self.folder / "recorder"
        copy = f"tee -a {shlex.quote(str(self._told))}"
        program.write_text(f"#!/bin/bash\nexec {shlex.quote(pinentry)} < <({copy})\n", encoding="utf-8")
        program.chmod(0o700)
        return str(program)

    @property
    def told(self):
        return re.sub(r"%([0-9A-F]{2})", lambda escape: chr(int(escape[1], 16)), self._told.read_text(encoding="utf-8"))

    @property
    def process(self):
        return self._process.pid

    def hosts(self):
        """The token hosts that it has now."""
        children = pathlib.Path(f"/proc/{self.process}/task").glob("*/children")
        found = []
        for number in " ".join(file.read_text() for file in children).split():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{number}/comm").read_text().startswith("signet-token-ho"):
                    found.append(int(number))
        return found

    @property
    def environment(self):
        """What its commands are started with."""
        return self._environment

    def command(self, *words):
        return [str(self._bin / "signet"), "--config", str(self._configuration), *map(str, words)]

    def say(self, *words, language="C.UTF-8"):
        """What a command says to people, in a language."""
        return subprocess.run(
            self.command(*words), env={**self._environment, "LANG": language, "LANGUAGE": language.split("_")[0]},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=WITHIN_S,
        ).stdout

    def query(self, *words, within_s=WITHIN_S):
        done = subprocess.run(
            self.command("--json", *words),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )
        return json.loads(done.stdout) if done.stdout else {}

    def status(self):
        status = self.query("status")
        return None if "error" in status else status

    def sign(self, *words, **streams):
        return Signing(self.command("sign", "--overwrite", *words), self._environment, **streams)

    def pin(self, *words, **streams):
        """A `signet pin change` or `signet pin unblock`."""
        return Signing(self.command("pin", *words), self._environment, **streams)

    def page(self, origin=None):
        return Page(self.status()["port"], origin or Page.ORIGIN)

    def control(self):
        return Control(self.folder / "run" / "signet" / "control.sock")

    def restart(self):
        assert self.stop() == 0
        self._start()

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(WITHIN_S)

    def kill(self):
        """As nobody can prepare for."""
        self.ends_with = -signal.SIGKILL
        self._process.kill()
        return self._process.wait(WITHIN_S)


class Signing:
    """A `signet sign`, or another command that waits for a person, that runs."""

    def __init__(self, command, environment, stderr=subprocess.PIPE, stdin=None):
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        if stdin is not None:
            count_if_wrong(stdin.split("\n")[0].strip())
            self._process.stdin.write(stdin)
            self._process.stdin.close()
            self._process.stdin = None
        self.said = ""

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def kill(self):
        """As nobody can prepare for."""
        self._process.kill()
        self._process.communicate()

    def ended(self):
        return self._process.poll() is not None

    def exit_code(self, within_s=WITHIN_S):
        try:
            out, err = self._process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
            raise AssertionError(f"`signet sign` did not end within {within_s} s: {out} {err}") from None
        self.said = out + (err or "")
        return self._process.returncode


class Refused(Exception):
    """An error that the agent answered with."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error.get('message')}")
        self.code = error["code"]


class Client:
    """One end of the native protocol (docs/PROTOCOL.md). Requests may wait beside each other; events are kept."""

    def __init__(self, connection):
        self._connection = connection
        self._connection.settimeout(WITHIN_S)
        self._answers, self._last = {}, 0
        self.events = []
        self.call("hello", protocol=1)

    def ask(self, method, **params):
        self._last += 1
        self._send(json.dumps({"id": self._last, "method": method, "params": params}))
        return self._last

    def answer(self, number):
        while number not in self._answers:
            self._take()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def call(self, method, **params):
        return self.answer(self.ask(method, **params))

    def begin(self, names, **params):
        """A batch that holds a hash for each name."""
        batch = self.call("batch.begin", **{"purpose": "a test", **params})["batch"]
        items = [
            {"id": name, "name": name, "digest": base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}
            for name in names
        ]
        self.call("batch.items", batch=batch, part=0, items=items)
        return batch

    def commit(self, batch, items):
        return self.ask("batch.commit", batch=batch, items=items)

    def reaches(self, batch, *states, within_s=WITHIN_S):
        """Reads on until the batch is in one of the states; its progress then. Nothing may be silent for longer."""
        self._connection.settimeout(within_s)
        while True:
            for event in reversed(self.events):
                if event["event"] == "batch.progress" and event["params"]["batch"] == batch:
                    if event["params"]["state"] in states:
                        self._connection.settimeout(WITHIN_S)
                        return event["params"]
                    break
            self._take()

    def hears(self, event, **params):
        """Reads on until it was told this."""
        while {"event": event, "params": params} not in self.events:
            self._take()

    def results(self, batch):
        """The signatures that came for each item, in the order of their numbers."""
        found = {}
        for event in self.events:
            if event["event"] == "batch.results" and event["params"]["batch"] == batch:
                for result in event["params"]["results"]:
                    found[result["seq"]] = result
        by_item = {}
        for _, result in sorted(found.items()):
            by_item.setdefault(result["id"], []).append(result)
        return by_item

    def close(self):
        self._connection.close()

    def _take(self):
        message = json.loads(self._receive())
        if message.get("id") is not None:
            self._answers[message["id"]] = message
        else:
            self.events.append(message)


class Control(Client):
    """A program at the control socket."""

    def __init__(self, path):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WITHIN_S)
        connection.connect(str(path))
        self._lines = connection.makefile()
        super().__init__(connection)

    def _send(self, text):
        self._connection.sendall(text.encode() + b"\n")

    def _receive(self):
        line = self._lines.readline()
        if not line:
            raise EOFError("the agent closed the control socket")
        return line

    def close(self):
        self._lines.close()
        super().close()


class Page(Client):
    """A page of an allowed origin, at a WebSocket (RFC 6455)."""

    ORIGIN, OTHER_ORIGIN = "https://sign.example", "https://other.example"

    def __init__(self, port, origin=ORIGIN):
        connection = socket.create_connection(("127.0.0.1", port), WITHIN_S)
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: signet.v1\r\n\r\n".encode()
        )
        self._bytes = connection.makefile("rb")
        answer = b"".join(iter(self._bytes.readline, b"\r\n"))
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        super().__init__(connection)

    def _send(self, text):
        self.send_bytes(text.encode())

    def send_bytes(self, payload, opcode=1):
        """One text frame, whatever its bytes are."""
        mask = os.urandom(4)
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2) if size < 1 << 16 else b"\xff" + size.to_bytes(8)
        masked = bytes(octet ^ mask[i % 4] for i, octet in enumerate(payload))
        self._connection.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def _receive(self):
        text = b""
        while True:
            head = self._bytes.read(2)
            if len(head) < 2:
                raise EOFError("the agent closed the connection")
            size = head[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self._bytes.read(2 if size == 126 else 8))
            payload, opcode = self._bytes.read(size), head[0] & 0x0F
            if opcode == 8:
                raise EOFError(f"the agent closed the connection: {payload}")
            if opcode > 8:
                continue  # a ping: the agent does not cut who stays silent within the times of these tests
            text += payload
            if head[0] & 0x80:
                return text

    def close(self):
        """Cut, as by a reload or a crash."""
        self._bytes.close()
        super().close()


# Digits in a hexadecimal or decimal number (digests, handles) are that number's, and may be any.
LONG_NUMBER = re.compile(rb"[0-9a-fA-F]{24,}")


def runs_of(pin):
    octets = pin.encode()
    return [octets[i : i + SHORTEST_RUN] for i in range(len(octets) - SHORTEST_RUN + 1)]


def traces(pin, octets):
    """Where in the octets a run of the PIN's characters stands."""
    numbers = None
    found = []
    for run in runs_of(pin):
        at = octets.find(run)
        while at >= 0:
            if numbers is None:
                numbers = [number.span() for number in LONG_NUMBER.finditer(octets)]
            if not any(begin <= at < end for begin, end in numbers):
                found.append(at)
            at = octets.find(run, at + 1)
    return sorted(found)


def memory_traces(process, pin):
    """(address, locked) of each run of the PIN's characters in memory of a process that is no file's."""
    found = []
    with open(f"/proc/{process}/smaps", encoding="utf-8") as smaps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        for begin, end, locked in anonymous_mappings(smaps):
            with contextlib.suppress(OSError, OverflowError):  # [vvar] and its like cannot be read
                memory.seek(begin)
                found += [(begin + at, locked) for at in traces(pin, memory.read(end - begin))]
    return found


def anonymous_mappings(smaps):
    begin = None
    for line in smaps:
        if header := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)", line):
            begin, end = int(header[1], 16), int(header[2], 16)
            wanted = header[3].startswith("r") and header[4] == "0" and "[v" not in line
        elif line.startswith("VmFlags:") and begin is not None and wanted:
            yield begin, end, " lo" in line
