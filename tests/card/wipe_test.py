#!/usr/bin/python3
"""Whatever wipes a PIN: the process that was logged in is gone, or signs nothing any more, and no five characters of the PIN are
left in signetd. One row for each cause, with a card behind pcscd and OpenSC and a logind of the test's own.

usage: wipe_test.py FOLDER-OF-SIGNETD [unittest's arguments]

Before each cause a raw C_Sign in the token host is made (witness.c) and the PIN is found in signetd's memory: both can fail.
Memory is scanned where the build has no AddressSanitizer, whose allocator keeps what was freed.
Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import agent_case  # noqa: E402
import logind  # noqa: E402
from agent_bench import HANGING_WITHIN_S, PIN, PUK, WRONG_PIN, Refused, alive, memory_traces, typed_wrong, until  # noqa: E402
from agent_case import EXIT_DONE, AgentTest  # noqa: E402

NEW_PIN = "71649308"
ITEMS = 40
SIGNED = "0"  # CKR_OK
WIPED = (
    "gone",
    "101",  # CKR_USER_NOT_LOGGED_IN
    "nobody",  # nobody is logged in, and none was: no private key was ever shown
)


@dataclasses.dataclass
class Cause:
    """What is done to an agent that keeps a PIN: `act` is given the test."""

    act: object
    options: dict = dataclasses.field(default_factory=dict)  # of the agent
    watched: bool = False  # by logind


class WipeTest(AgentTest):
    other_secrets = (NEW_PIN, WRONG_PIN)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The key that wants the PIN once: what it signs at rest shows that somebody is logged in.
        cls.certificate = cls.fingerprint("9A")
        cls.witness = cls.work / "witness" / "witness.so"
        cls.witness.parent.mkdir(mode=0o755)
        flags = subprocess.run(["pkg-config", "--cflags", "p11-kit-1"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        compiler = ["clang-19", "-Wall", "-Wextra", "-Werror", "-std=c23", "-shared", "-fPIC", *flags]
        subprocess.run([*compiler, HERE / "witness.c", "-o", cls.witness], check=True)
        cls.scans = b"__asan_init" not in (cls.bin / "signetd").read_bytes()

    def setUp(self):
        super().setUp()
        self.person = self.folder / "person"
        self.person.mkdir()
        self.answers("sign", PIN)
        (self.person / "dialogs").touch()
        pinentry = self.folder / "pinentry"
        pinentry.write_text(f'#!/bin/sh\nexec "{HERE.parent}/browser/pinentry" "{self.person}"\n')
        pinentry.chmod(0o700)
        self.pinentry = str(pinentry)
        self.logind = None
        self.made_before = self.made()

    def answers(self, how, pin):
        (self.person / "answer").write_text(how)
        (self.person / "pin").write_text(f"{pin}\n")

    def dialogs(self):
        return (self.person / "dialogs").read_text().count("\n")

    def start(self, *, watched=False, **options):
        """An agent whose module is the witness; `watched`: it hears of locks and sleep."""
        # Beside the card's own folders: a socket's path is short.
        self.witnesses = pathlib.Path(tempfile.mkdtemp(prefix="w-"))
        self.addCleanup(shutil.rmtree, self.witnesses)
        environment = {"WITNESS_OF": os.environ["SIGNET_CARD_MODULE"], "WITNESS_FOLDER": str(self.witnesses)}
        if watched:
            bus = logind.SystemBus(self.folder).start()
            self.addCleanup(bus.stop)
            self.logind = logind.Logind(bus).start()
            self.addCleanup(self.logind.stop)
            environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
        self.watched_agent = agent = self.agent(
            pinentry=self.pinentry, module=self.witness, module_keys='unblock = "puk"', environment=environment,
            more=f'[devices]\nmodule_folders = ["/usr", "{self.witness.parent}"]\nautomatic = false\n', **options,
        )
        if watched:
            until(lambda: agent.status()["session"]["sessions"] == ["1"], "the agent watches the session")
        self.page = agent.page()
        self.addCleanup(self.page.close)
        return agent

    def sign_here(self, host):
        """What a raw C_Sign in this process gives just now."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(agent_case.WITHIN_S)
            try:
                connection.connect(str(self.witnesses / str(host)))
                said = connection.makefile().readline().strip()
            except (FileNotFoundError, ConnectionError):
                said = ""
        return said or ("silent" if alive(host) else "gone")

    def traces(self, process, secret):
        try:
            return memory_traces(process, secret)
        except FileNotFoundError:
            return []  # a host that has ended just now
        except PermissionError:
            self.lacking("this user may not read signetd's memory")

    def assert_kept(self, process, secret=PIN):
        """It is there, and in locked pages alone."""
        if self.scans:
            found = self.traces(process, secret)
            self.assertTrue(found, "the scan finds a PIN that is there")
            self.assertEqual([address for address, locked in found if not locked], [])

    def assert_forgotten(self, *processes, secrets=(PIN,)):
        for process in processes if self.scans else ():
            for secret in secrets:
                self.assertEqual(self.traces(process, secret), [], f"process {process}")

    def assert_logged_in(self, agent):
        """The host that is logged in."""
        self.assertEqual(agent.status()["pins_kept"], 1)
        (host,) = agent.hosts()
        self.assertEqual(self.sign_here(host), SIGNED, "before the cause that host signs")
        self.assert_kept(agent.process)
        return host

    def assert_wiped(self, agent, host, within_s=agent_case.WITHIN_S):
        running = alive(agent.process)
        if running:
            until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped", within_s)
        until(lambda: self.sign_here(host) in WIPED, "whoever was logged in is gone, or signs nothing", within_s)
        if running:
            self.assert_forgotten(agent.process, *agent.hosts())

    def begin(self, count):
        names = [f"invoice-{number:02}.pdf" for number in range(count)]
        batch = self.page.begin(names, certificate=self.certificate)
        self.page.answer(self.page.commit(batch, count))
        return batch

    def sign(self, agent, documents, *words, **streams):
        return agent.sign("--cert", self.certificate, "--out", self.out, *words, *documents, **streams)

    def made(self):
        return self.card.tell("status")["sign"]["9A"]

    def to_middle(self, by):
        """Something of it is signed, and much is not."""
        before = self.made()
        self.card.tell("delay 60")
        self.batch = by(ITEMS)
        until(lambda: self.made() >= before + 3, "it signs")

    def each(self, causes, prepare):
        for name, cause in causes.items():
            with self.subTest(name):
                agent = self.start(watched=cause.watched, **cause.options)
                prepare(agent)
                host = self.assert_logged_in(agent)
                cause.act(self)
                self.assert_wiped(agent, host, HANGING_WITHIN_S if "card is pulled" in name else agent_case.WITHIN_S)
            self.doCleanups()
            self.setUp()

    def new_pin_by_stdin(self, task, secret):
        command = self.watched_agent.pin(task, "--pin-stdin", stdin=f"{secret}\n{NEW_PIN}\n")
        self.assert_ends(command, EXIT_DONE)

    def new_pin_in_vain(self):
        self.assertNotEqual(self.watched_agent.pin("change", "--pin-stdin", stdin=f"{WRONG_PIN}\n{NEW_PIN}\n").exit_code(), EXIT_DONE)

    def kill_host(self):
        os.kill(*self.watched_agent.hosts(), signal.SIGKILL)

    def change_elsewhere(self):
        """Another program changes the PIN, and then the host dies: what is kept is presented once more, in vain."""
        self.card.tell(f"pins {NEW_PIN} {PUK}")
        typed_wrong("pin")
        self.kill_host()

    def fill_disk(self):
        with contextlib.suppress(OSError), (self.disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(1 << 14))

    def mount_disk(self):
        self.disk = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        subprocess.run(["mount", "--no-mtab", "-t", "tmpfs", "-o", "size=3m", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        return self.disk

    # Those that may come at any time.
    AT_ANY_TIME = {
        "signet lock": Cause(lambda test: test.watched_agent.query("lock")),
        "the screen is locked": Cause(lambda test: test.logind.lock(), watched=True),
        "a screen locker says that it has locked": Cause(lambda test: test.logind.hint(True), watched=True),
        "the session ends": Cause(lambda test: test.logind.end_session(), watched=True),
        "the machine goes to sleep": Cause(lambda test: test.logind.announce("PrepareForSleep", True), watched=True),
        "the machine shuts down": Cause(lambda test: test.logind.announce("PrepareForShutdown", True), watched=True),
        "the card is pulled": Cause(lambda test: test.card.pull()),
        "the agent is stopped": Cause(lambda test: test.watched_agent.stop()),
        "the agent is killed": Cause(lambda test: test.watched_agent.kill()),
    }

    def test_while_it_is_kept(self):
        """a PIN that is kept for the session while nothing runs"""

        def kept(agent):
            self.page.reaches(self.begin(2), "complete")

        def two_more(test):
            test.page.reaches(test.begin(2), "complete")

        session = {"scope": "session"}
        causes = {
            **self.AT_ANY_TIME,
            "it was not used for long": Cause(lambda test: None, {"pin_cache": "idle_s = 3"}),
            "it is old": Cause(lambda test: None, {"pin_cache": "max_age_s = 3"}),
            "so many signatures were made with it": Cause(two_more, {"pin_cache": "max_signatures = 3"}),
            "the host crashes": Cause(WipeTest.kill_host),
            "signet restart": Cause(lambda test: test.watched_agent.query("restart", "module")),
            "signet pin change": Cause(lambda test: test.new_pin_by_stdin("change", PIN)),
            "signet pin unblock": Cause(lambda test: test.new_pin_by_stdin("unblock", PUK)),
            "signet pin change with a wrong PIN": Cause(WipeTest.new_pin_in_vain),
        }
        for cause in causes.values():
            cause.options = {**session, **cause.options}
        self.each(causes, kept)

    def test_while_a_batch_runs(self):
        """the PIN of a batch that signs"""
        causes = {
            **self.AT_ANY_TIME,
            "the batch ends": Cause(lambda test: test.page.reaches(test.batch, "complete")),
            "the screen is locked, and the batch ends behind it":
                Cause(lambda test: test.logind.lock(), {"on_lock": "finish"}, watched=True),
            "the page cancels": Cause(lambda test: test.page.call("batch.cancel", batch=test.batch)),
            "the page cancels a batch with a PIN for the session":
                Cause(lambda test: test.page.call("batch.cancel", batch=test.batch), {"scope": "session"}),
            "the page closes the batch": Cause(lambda test: test.page.call("batch.close", batch=test.batch)),
            "the page goes": Cause(lambda test: test.page.close(), {"web": "wait_for_page_s = 1"}),
            "the card fails": Cause(lambda test: test.card.tell("fail 6A80 100")),
            "the card is pulled in a signature": Cause(lambda test: test.card.tell("fail-after 2")),
            "the PIN was changed elsewhere": Cause(WipeTest.change_elsewhere),
        }
        self.each(causes, lambda agent: self.to_middle(self.begin))

    def test_a_full_disk(self):
        """the PIN of a batch that cannot be put on record any more"""
        agent = self.start(journal=self.mount_disk() / "journal")
        self.to_middle(self.begin)
        host = self.assert_logged_in(agent)
        self.fill_disk()
        self.assertEqual(self.page.reaches(self.batch, "paused")["error"]["code"], "disk_full")
        self.assert_wiped(agent, host)

    def test_a_command_that_leaves(self):
        """the PIN of a `signet sign` that is interrupted or killed"""
        for leave in ("interrupt", "kill"):
            with self.subTest(leave):
                agent = self.start()
                self.to_middle(lambda count: self.sign(agent, self.documents(count)))
                host = self.assert_logged_in(agent)
                getattr(self.batch, leave)()
                self.assert_wiped(agent, host)
                self.batch.exit_code()
            self.doCleanups()
            self.setUp()

    def test_each_signature(self):
        """scope "off": when the PIN is asked for the second signature, that of the first is gone"""
        agent = self.start(scope="off")
        os.mkfifo(self.person / "hold")
        self.card.tell("delay 1500")
        batch = self.page.begin(["one", "two"], certificate=self.certificate)
        committed = self.page.commit(batch, 2)
        (self.person / "hold").write_text("\n")
        until(lambda: agent.status()["pins_kept"] == 1, "the PIN is accepted")
        self.assert_kept(agent.process)
        (host,) = agent.hosts()
        until(lambda: self.dialogs() == 2, "the PIN is asked again")
        self.assertEqual(self.made_here(), 1)
        self.assert_wiped(agent, host)
        (self.person / "hold").write_text("\n")
        self.page.answer(committed)
        self.page.reaches(batch, "complete")

    def test_refused(self):
        """a PIN that was wrong, and a dialog that was cancelled: nobody is logged in, and nothing is left of what was typed"""
        agent = self.start(scope="session")
        (host,) = agent.hosts()
        batch = self.page.begin(["one"], certificate=self.certificate)
        self.answers("cancel", PIN)
        with self.assertRaises(Refused):
            self.page.answer(self.page.commit(batch, 1))
        self.assert_wiped(agent, host)
        self.assertEqual(self.sign_here(host), "nobody", "that host has never seen a PIN")
        self.answers("sign", WRONG_PIN)
        typed_wrong("pin")
        with self.assertRaises(Refused) as refused:
            self.page.answer(self.page.commit(batch, 1))
        self.assertEqual(refused.exception.code, "pin_incorrect")
        self.assert_wiped(agent, host)
        self.assertFalse(alive(host))
        self.assert_forgotten(agent.process, *agent.hosts(), secrets=(PIN, WRONG_PIN))

    def test_standard_input(self):
        """what comes by --pin-stdin is in locked pages of signetd alone while it is needed, afterwards nowhere; never in the
        memory of the command"""
        agent = self.start()
        task = {
            "sign": ["sign", "--overwrite", "--cert", self.certificate, "--out", self.out, "--pin-stdin", *self.documents(ITEMS)],
            "pin change": ["pin", "change", "--pin-stdin"],
            "pin unblock": ["pin", "unblock", "--pin-stdin"],
        }
        self.card.tell("delay 60")
        for name, first, second in (("sign", PIN, None), ("pin change", PIN, NEW_PIN), ("pin unblock", PUK, PIN)):
            with self.subTest(name):
                command = subprocess.Popen(
                    agent.command(*task[name]), env=agent.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
                self.addCleanup(command.wait)
                before = self.made()
                # The second line comes later: meanwhile the first one waits in the agent.
                command.stdin.write(f"{first}\n" if second else first)
                command.stdin.close() if second is None else command.stdin.flush()
                if self.scans:
                    until(lambda: self.traces(agent.process, first), "the agent has read it")
                    self.assert_kept(agent.process, first)
                    argument = task[name][1]
                    self.assertTrue(self.traces(command.pid, argument), f"the scan of the command finds {argument}")
                if second is None:
                    until(lambda: self.made() > before, "it signs")
                self.assertIsNone(command.poll(), "the command waits")
                self.assert_forgotten(command.pid, secrets=(first,))
                if second is not None:
                    command.stdin.write(f"{second}\n")
                    command.stdin.close()
                self.assertEqual(command.wait(agent_case.WITHIN_S), 0)
                self.assert_forgotten(agent.process, *agent.hosts(), secrets=(PIN, NEW_PIN, PUK))

    def made_here(self):
        return self.made() - self.made_before


if __name__ == "__main__":
    if len(sys.argv) > 1 and logind.lacking is not None:
        agent_case.cannot_run(logind.lacking)
    agent_case.main(__doc__)
