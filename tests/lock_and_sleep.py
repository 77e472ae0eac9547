#!/usr/bin/python3
"""signetd and a logind that tells of locked screens and of sleep: batches pause and go on, PINs are wiped, inhibitors are held.

usage: tests/lock_and_sleep.py FOLDER-OF-SIGNETD [unittest's arguments]

The system bus is one of the test's own, with python-dbusmock's logind on it; the token is SoftHSM2's.
Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import contextlib
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "card"))

import logind  # noqa: E402
from agent_bench import PIN, WITHIN_S, Agent, Refused, alive, memory_traces, until  # noqa: E402
from logind import LOGIND, MANAGER, MANAGER_INTERFACE, SESSION_INTERFACE, US, Logind, SystemBus, path_of  # noqa: E402

MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so"]
# RSA-3072 takes SoftHSM2 milliseconds: long enough for a batch to have a middle.
ITEMS = 400
MIDDLE = 20
FLOOD = 1500
EXIT_PERSON = 4


class LockAndSleepTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=WORK))
        self.person = self.folder / "person"
        self.person.mkdir()
        (self.person / "answer").write_text("sign")
        (self.person / "pin").write_text(f"{PIN}\n")
        (self.person / "dialogs").touch()
        pinentry = self.folder / "pinentry"
        pinentry.write_text(f'#!/bin/sh\nexec "{HERE}/browser/pinentry" "{self.person}"\n')
        pinentry.chmod(0o700)
        self.pinentry = str(pinentry)
        self.bus = SystemBus(self.folder)
        self.addCleanup(self.bus.stop)
        self.logind = Logind(self.bus)
        self.addCleanup(self.logind.stop)

    def agent(self, *, environment=None, **options):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        agent = Agent(
            BIN, folder, pinentry=self.pinentry, module=MODULE, softhsm=SOFTHSM, opensc_conf="/dev/null",
            environment={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, **(environment or {})}, **options,
        )
        self.addCleanup(self.end, agent)
        return agent

    def end(self, agent):
        with contextlib.suppress(ProcessLookupError):
            for host in agent.hosts():
                os.kill(host, signal.SIGCONT)
        self.assertEqual(agent.stop(), 0, agent.log.read_text())

    def usual(self, **options):
        """A bus, a logind with the session of this user's display, and an agent that watches it."""
        self.bus.start()
        self.logind.start()
        agent = self.agent(**options)
        self.watches(agent, "1")
        return agent

    def session(self, agent):
        return agent.status()["session"]

    def watches(self, agent, *sessions):
        until(lambda: sorted(self.session(agent)["sessions"]) == sorted(sessions), f"the agent watches {sessions}")
        self.assertNotIn("error", self.session(agent))

    @property
    def dialogs(self):
        return (self.person / "dialogs").read_text().count("\n")

    def names(self, count=ITEMS):
        return [f"invoice-{number:03}.pdf" for number in range(count)]

    def signed(self, agent):
        """The hashes that the journal says were signed, each as often as it stands there."""
        lines = re.findall(r"^\d+ \S+ signed .*?\bitems=(\S+)", agent.journal.read_text(), re.M)
        return [item for line in lines for item in line.split(",")]

    def run_to_middle(self, agent, page=None, count=ITEMS):
        """A batch that has begun to sign: the page, the batch, and the process that signs."""
        page = page or agent.page()
        self.addCleanup(page.close)
        batch = page.begin(self.names(count))
        page.answer(page.commit(batch, count))
        before = len(self.signed(agent))
        until(lambda: len(self.signed(agent)) >= before + MIDDLE, "the batch is in its middle")
        hosts = agent.hosts()
        self.assertEqual(len(hosts), 1, "one module, one host")
        return page, batch, hosts[0]

    def assert_paused(self, agent, page, batch, host, code):
        progress = page.reaches(batch, "paused", "complete")
        self.assertEqual(progress["state"], "paused", "it was stopped before its end")
        self.assertEqual(progress["error"]["code"], code)
        self.assertEqual(progress["error"]["who"], "person")
        self.assertLess(progress["signed"], progress["total"])
        # Whoever was logged in is no more: nothing can make C_Sign with that login.
        until(lambda: not alive(host), "the host that knew the PIN has ended")
        self.assertEqual(agent.status()["pins_kept"], 0)

    def assert_resumes(self, agent, page, batch, count=ITEMS):
        """The rest is signed with a new PIN and without a second consent: each item once."""
        dialogs = self.dialogs
        page.call("batch.resume", batch=batch)
        page.events = [event for event in page.events if event["params"].get("state") != "paused"]
        progress = page.reaches(batch, "complete", "paused")
        self.assertEqual(progress["state"], "complete", progress)
        self.assertEqual((progress["signed"], progress["total"]), (count, count))
        self.assertEqual(self.dialogs, dialogs + 1, "one dialog, for the PIN")
        self.assertEqual(agent.journal.read_text().count(" consent "), 1, "the consent was not asked again")
        signed = self.signed(agent)
        self.assertEqual(len(signed), count)
        self.assertEqual(len(set(signed)), count, "each hash once")
        self.assertTrue(agent.query("journal", "verify")["intact"])


class LockTest(LockAndSleepTest):
    def test_a_lock_pauses_and_the_batch_goes_on(self):
        """loginctl lock-session in the middle of a batch: paused, logged out; resumed, each item is signed once"""
        agent = self.usual()
        page, batch, host = self.run_to_middle(agent)
        self.logind.lock()
        self.assert_paused(agent, page, batch, host, "screen_locked")
        self.assert_resumes(agent, page, batch)

    def test_a_screen_locker_that_only_sets_its_hint(self):
        """LockedHint alone is a lock, too; while it is set nobody is asked, and afterwards the batch goes on"""
        agent = self.usual()
        page, batch, host = self.run_to_middle(agent)
        self.logind.hint(True)
        self.assert_paused(agent, page, batch, host, "screen_locked")
        dialogs = self.dialogs
        other = page.begin(self.names(3))
        for number in (page.ask("batch.resume", batch=batch), page.commit(other, 3), page.ask("certificate.choose", again=True)):
            with self.assertRaises(Refused) as refused:
                page.answer(number)
            self.assertEqual(refused.exception.code, "screen_locked")
        self.assertEqual(self.dialogs, dialogs, "no dialog behind the locked screen")
        self.assertTrue(self.session(agent)["locked"])
        self.logind.hint(False)
        until(lambda: not self.session(agent)["locked"], "the agent hears that it is unlocked")
        self.assert_resumes(agent, page, batch)
        # The one that was refused still waits, and can be consented to.
        page.answer(page.commit(other, 3))
        self.assertEqual(page.reaches(other, "complete")["signed"], 3)

    def test_unlock_signal(self):
        """loginctl unlock-session frees who waits behind the hint of a screen locker that has died"""
        agent = self.usual()
        self.logind.hint(True)
        until(lambda: self.session(agent)["locked"], "the agent hears of the lock")
        self.logind.unlock()
        until(lambda: not self.session(agent)["locked"], "the agent hears of the end of the lock")

    def test_a_kept_pin_is_wiped(self):
        """a lock wipes a PIN that is kept for the session while nothing runs"""
        agent = self.usual(scope="session")
        page = agent.page()
        self.addCleanup(page.close)
        batch = page.begin(self.names(2))
        page.answer(page.commit(batch, 2))
        page.reaches(batch, "complete")
        self.assertEqual(agent.status()["pins_kept"], 1)
        (host,) = agent.hosts()
        self.logind.lock()
        until(lambda: agent.status()["pins_kept"] == 0 and not alive(host), "PIN and host are gone")

    def test_the_dialog_is_closed(self):
        """a dialog that is open when the screen is locked closes, its PIN goes nowhere, and the batch waits"""
        slow = self.folder / "slow"
        slow.write_text(
            '#!/bin/bash\necho "OK slow"\nwhile IFS= read -r line; do\n  case $line in\n'
            f'    GETPIN*) echo opened >>"{self.person}/dialogs"; IFS= read -r pin <"{self.person}/hold"; printf "D %s\\nOK\\n" "$pin" ;;\n'
            "    *) echo OK ;;\n  esac\ndone\n"
        )
        slow.chmod(0o700)
        self.pinentry = str(slow)
        os.mkfifo(self.person / "hold")
        agent = self.usual()
        page = agent.page()
        self.addCleanup(page.close)
        batch = page.begin(self.names(2))
        number = page.commit(batch, 2)
        until(lambda: self.dialogs == 1, "the dialog is open")
        self.logind.lock()
        with self.assertRaises(Refused) as refused:
            page.answer(number)
        self.assertIn(refused.exception.code, ("screen_locked", "user_cancelled"))
        self.assertEqual(self.signed(agent), [])
        (self.person / "hold").unlink()
        (self.person / "hold").write_text(f"{PIN}\n")
        page.answer(page.commit(batch, 2))
        self.assertEqual(page.reaches(batch, "complete")["signed"], 2)

    def test_pins_are_not_changed(self):
        """while nobody can be asked no PIN is changed or unblocked, and no dialog opens; a script's is, but not before sleep"""
        agent = self.usual()
        self.logind.hint(True)
        until(lambda: self.session(agent)["locked"], "the agent hears that it is locked")
        for what in ("change", "unblock"):
            command = agent.pin(what)
            self.assertEqual(command.exit_code(), EXIT_PERSON, command.said)
            self.assertIn("screen_locked", command.said)
        self.assertEqual(self.dialogs, 0)
        script = agent.pin("change", "--pin-stdin", stdin=f"{PIN}\n{PIN}\n")
        self.assertEqual(script.exit_code(), 0, script.said)
        self.logind.announce("PrepareForSleep", True)
        until(lambda: ("sleep", "delay") not in self.logind.inhibitors(), "the machine may sleep")
        script = agent.pin("change", "--pin-stdin", stdin=f"{PIN}\n{PIN}\n")
        self.assertEqual(script.exit_code(), EXIT_PERSON, script.said)
        self.assertIn("machine_asleep", script.said)

    def test_the_dialog_for_a_pin_is_closed(self):
        """a dialog that is open for another PIN closes when the screen is locked, and who asked is told why"""
        slow = self.folder / "slow"
        slow.write_text(
            '#!/bin/bash\necho "OK slow"\nwhile IFS= read -r line; do\n  case $line in\n'
            f'    GETPIN*) echo opened >>"{self.person}/dialogs"; sleep 1000 ;;\n    *) echo OK ;;\n  esac\ndone\n'
        )
        slow.chmod(0o700)
        self.pinentry = str(slow)
        agent = self.usual()
        command = agent.pin("change")
        until(lambda: self.dialogs == 1, "the dialog is open")
        self.logind.lock()
        self.assertEqual(command.exit_code(), EXIT_PERSON, command.said)
        self.assertIn("screen_locked", command.said)

    def test_the_session_ends(self):
        """who logs out is away as well"""
        agent = self.usual()
        page, batch, host = self.run_to_middle(agent)
        self.logind.end_session()
        self.assert_paused(agent, page, batch, host, "screen_locked")

    def test_sessions_of_others(self):
        """locks of another user, and of this user's other session, are not this session's"""
        agent = self.usual()
        self.logind.add_session("2", user=os.getuid() + 1)
        self.logind.show_display("2", user=os.getuid() + 1)
        self.logind.add_session("3")
        page, batch, _ = self.run_to_middle(agent)
        for session in ("2", "3"):
            self.logind.lock(session)
            self.logind.hint(True, session)
        progress = page.reaches(batch, "complete", "paused")
        self.assertEqual(progress["state"], "complete", progress)
        self.assertEqual(self.session(agent)["sessions"], ["1"])
        self.assertFalse(self.session(agent)["locked"])

    def test_the_session_of_the_environment(self):
        """XDG_SESSION_ID names a session besides that of the display: a lock of either is one"""
        self.bus.start()
        self.logind.start(sessions=("1", "7"))
        agent = self.agent(environment={"XDG_SESSION_ID": "7"})
        self.watches(agent, "1", "7")
        page, batch, host = self.run_to_middle(agent)
        self.logind.lock("7")
        self.assert_paused(agent, page, batch, host, "screen_locked")
        # Who works in a session that is not locked can be asked.
        self.logind.hint(True, "1")
        until(lambda: self.session(agent)["locked"], "the agent hears of the lock")
        self.assert_resumes(agent, page, batch)

    def test_a_session_that_is_not_a_persons(self):
        """XDG_SESSION_ID of a session of another user is not believed"""
        self.bus.start()
        self.logind.start(sessions=("1",))
        self.logind.add_session("8", user=os.getuid() + 1)
        agent = self.agent(environment={"XDG_SESSION_ID": "8"})
        self.watches(agent, "1")

    def test_the_display_comes_later(self):
        """an agent that was there before the person logged in watches the session that comes"""
        self.bus.start()
        self.logind.start(sessions=("1", "2"), display=None)
        agent = self.agent()
        until(lambda: self.session(agent)["inhibitors"], "logind is found")
        self.assertEqual(self.session(agent)["sessions"], [])
        self.logind.show_display("1")
        self.watches(agent, "1")
        self.logind.show_display("2")
        self.watches(agent, "2")
        page, batch, host = self.run_to_middle(agent)
        self.logind.lock("2")
        self.assert_paused(agent, page, batch, host, "screen_locked")

    def test_the_command_line_goes_on(self):
        """`signet sign` in a terminal waits for the person and goes on; without a terminal it ends with what is written"""
        agent = self.usual()
        out = self.folder / "out"
        listed = self.folder / "list"
        listed.write_text("".join(f"sha256:{number:064x} item-{number}\n" for number in range(ITEMS)))
        words = ["sign", "--overwrite", "--digest-list", listed, "--out", out]

        ours, theirs = pty.openpty()
        said = b""
        process = subprocess.Popen(
            agent.command(*words), env=agent.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        until(lambda: len(self.signed(agent)) >= MIDDLE, "it signs")
        self.logind.lock()
        while b"Press Return" not in said:
            self.assertTrue(select.select([ours], [], [], WITHIN_S)[0], said)
            said += os.read(ours, 4096)
        self.assertIn(b"The screen is locked", said)
        self.assertLess(len(self.signed(agent)), ITEMS)
        os.write(ours, b"\n")
        with contextlib.suppress(OSError):  # EIO: the terminal's other end is closed
            while select.select([ours], [], [], WITHIN_S)[0]:
                said += os.read(ours, 4096)
        os.close(ours)
        self.assertEqual(process.wait(WITHIN_S), 0, said)
        self.assertEqual(len(list(out.glob("*.xades.xml"))), ITEMS)
        self.assertEqual(len(set(self.signed(agent))), len(self.signed(agent)))
        self.assertEqual(self.dialogs, 2)

        signing = agent.sign(*words[1:])
        until(lambda: len(self.signed(agent)) >= ITEMS + MIDDLE, "it signs")
        self.logind.lock()
        self.assertEqual(signing.exit_code(), 4, signing.said)
        self.assertIn("The screen is locked", signing.said)
        self.assertIn("screen_locked", signing.said)


class FinishTest(LockAndSleepTest):
    def test_the_batch_ends_first(self):
        """on_lock = "finish": the batch ends, then PIN and login are gone, also with a PIN kept for the session"""
        for scope in ("batch", "session"):
            with self.subTest(scope):
                agent = self.usual(scope=scope, on_lock="finish")
                page, batch, host = self.run_to_middle(agent)
                self.logind.lock()
                self.logind.hint(True)
                until(lambda: self.session(agent)["locked"], "the agent hears of the lock")
                self.assertEqual(agent.status()["running"], 1, "it goes on")
                self.assertTrue(alive(host))
                progress = page.reaches(batch, "complete", "paused")
                self.assertEqual((progress["state"], progress["signed"]), ("complete", ITEMS))
                until(lambda: agent.status()["pins_kept"] == 0 and not alive(host), "PIN and host are gone")
                self.assertEqual(len(set(self.signed(agent))), ITEMS)
                # Nobody is there to consent to another one.
                other = page.begin(self.names(2))
                with self.assertRaises(Refused) as refused:
                    page.answer(page.commit(other, 2))
                self.assertEqual(refused.exception.code, "screen_locked")
                self.doCleanups()
                self.setUp()

    def test_sleep_pauses_in_any_case(self):
        """on_lock = "finish" is for locks: sleep pauses a batch that goes on behind a locked screen, too"""
        agent = self.usual(on_lock="finish")
        page, batch, host = self.run_to_middle(agent, count=2 * ITEMS)
        self.logind.lock()
        self.logind.announce("PrepareForSleep", True)
        self.assert_paused(agent, page, batch, host, "machine_asleep")
        self.logind.announce("PrepareForSleep", False)
        until(lambda: ("sleep", "delay") in self.logind.inhibitors(), "the agent hears that it is awake")
        self.assert_resumes(agent, page, batch, count=2 * ITEMS)

    def test_scope_off_pauses(self):
        """on_lock = "finish" cannot finish what asks for the PIN each time"""
        agent = self.usual(scope="off", on_lock="finish")
        page = agent.page()
        self.addCleanup(page.close)
        batch = page.begin(self.names(50))
        page.answer(page.commit(batch, 50))
        until(lambda: len(self.signed(agent)) >= 2, "it signs")
        self.logind.hint(True)
        progress = page.reaches(batch, "paused", "complete")
        self.assertEqual((progress["state"], progress["error"]["code"]), ("paused", "screen_locked"))


class SleepTest(LockAndSleepTest):
    def test_sleep_pauses_and_the_batch_goes_on(self):
        """sleep in the middle of a batch: paused, the host is gone before the machine may sleep; awake, it goes on"""
        agent = self.usual()
        until(lambda: ("sleep", "delay") in self.logind.inhibitors(), "the machine would wait")
        page, batch, host = self.run_to_middle(agent)
        os.kill(host, signal.SIGSTOP)  # a token's software that is slow to end
        self.logind.announce("PrepareForSleep", True)
        until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped at once")
        self.assertTrue(alive(host))
        self.assertIn(("sleep", "delay"), self.logind.inhibitors(), "the machine waits as long as the host lives")
        dialogs = self.dialogs
        other = page.begin(self.names(2))
        with self.assertRaises(Refused) as refused:
            page.answer(page.commit(other, 2))
        self.assertEqual(refused.exception.code, "machine_asleep")
        self.assertEqual(self.dialogs, dialogs)
        os.kill(host, signal.SIGCONT)
        until(lambda: ("sleep", "delay") not in self.logind.inhibitors(), "the machine may sleep")
        self.assertFalse(alive(host), "not before the host has ended")
        self.assert_paused(agent, page, batch, host, "machine_asleep")
        self.logind.announce("PrepareForSleep", False)
        until(lambda: ("sleep", "delay") in self.logind.inhibitors(), "the next sleep waits again")
        self.assert_resumes(agent, page, batch)

    def test_a_host_that_does_not_end(self):
        """the machine waits not longer than logind allows; the PIN is wiped in any case, and the log says what was not done"""
        self.bus.start()
        self.logind.start(longest_delay_us=US)
        agent = self.agent()
        self.watches(agent, "1")
        until(lambda: ("sleep", "delay") in self.logind.inhibitors(), "the machine would wait")
        page, batch, host = self.run_to_middle(agent)
        os.kill(host, signal.SIGSTOP)
        began = time.monotonic()
        self.logind.announce("PrepareForSleep", True)
        until(lambda: ("sleep", "delay") not in self.logind.inhibitors(), "the machine may sleep")
        self.assertLess(time.monotonic() - began, 2)
        self.assertTrue(alive(host), "this host would have held it up for longer")
        self.assertEqual(agent.status()["pins_kept"], 0)
        self.assertIn("sleeps before a token's host has ended", agent.log.read_text())
        self.assert_paused(agent, page, batch, host, "machine_asleep")  # it is killed in the end
        self.logind.announce("PrepareForSleep", False)
        until(lambda: ("sleep", "delay") in self.logind.inhibitors(), "the next sleep waits again")
        self.assert_resumes(agent, page, batch)

    def test_shutdown(self):
        """a shutdown pauses and wipes, too"""
        agent = self.usual()
        page, batch, host = self.run_to_middle(agent)
        self.logind.announce("PrepareForShutdown", True)
        progress = page.reaches(batch, "paused", "complete")
        self.assertEqual((progress["state"], progress["error"]["code"]), ("paused", "agent_not_running"))
        until(lambda: not alive(host), "the host has ended")
        self.logind.announce("PrepareForShutdown", False)
        self.assert_resumes(agent, page, batch)


class MemoryTest(LockAndSleepTest):
    def setUp(self):
        # Its allocator keeps freed memory, and its shadow is terabytes.
        if b"__asan_init" in (BIN / "signetd").read_bytes():
            self.skipTest("a build with AddressSanitizer")
        super().setUp()

    def scanned(self, agent):
        try:
            return memory_traces(agent.process, PIN)
        except PermissionError:
            if os.environ.get("CI") == "true":
                raise
            self.skipTest("this user may not read signetd's memory")

    def test_the_pin_is_gone(self):
        """five characters of the PIN are in signetd's memory while it is kept, and nowhere after a lock and before sleep"""
        agent = self.usual(scope="session")
        until(lambda: ("sleep", "delay") in self.logind.inhibitors(), "the machine would wait")
        page = agent.page()
        self.addCleanup(page.close)
        for cause in (self.logind.lock, lambda: self.logind.announce("PrepareForSleep", True)):
            batch = page.begin(self.names(2))
            page.answer(page.commit(batch, 2))
            page.reaches(batch, "complete")
            self.assertTrue(self.scanned(agent), "the scan finds a PIN that is there")
            cause()
            until(lambda: agent.status()["pins_kept"] == 0 and not agent.hosts(), "PIN and host are gone")
            self.assertEqual(self.scanned(agent), [])


class InhibitorTest(LockAndSleepTest):
    BOTH = [("idle:sleep", "block"), ("sleep", "delay")]

    def test_held_while_a_batch_runs(self):
        """idleness and sleep are held up while a batch runs, and the status says so; not afterwards"""
        agent = self.usual()
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "sleep is delayed")
        page, batch, _ = self.run_to_middle(agent)
        until(lambda: self.logind.inhibitors() == self.BOTH, "the batch keeps the machine awake")
        held = {(row["what"], row["mode"]) for row in self.session(agent)["inhibitors"] if row["held"]}
        self.assertEqual(held, set(self.BOTH))
        text = subprocess.run(agent.command("status"), env=agent.environment, capture_output=True, text=True, check=True).stdout
        self.assertIn("Session:  1\n", text)
        self.assertIn("keeps the machine awake while it signs (idle:sleep)", text)
        self.assertEqual(page.reaches(batch, "complete", "paused")["state"], "complete")
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "the machine may sleep again")

    def test_none_for_a_paused_batch(self):
        """a batch that a lock has paused holds up nothing"""
        agent = self.usual()
        page, batch, host = self.run_to_middle(agent)
        until(lambda: self.logind.inhibitors() == self.BOTH, "the batch keeps the machine awake")
        self.logind.lock()
        self.assert_paused(agent, page, batch, host, "screen_locked")
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "the machine may sleep again")

    def test_they_end_with_the_agent(self):
        """an agent that was killed holds up nothing"""
        agent = self.usual()
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "sleep is delayed")
        agent.restart()
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "by the new one alone")

    def test_refused(self):
        """inhibitors that are refused are told in the status and once in the log, and the batch is signed without them"""
        self.bus = SystemBus(self.folder, refused_method="Inhibit")
        self.logind = Logind(self.bus)
        self.addCleanup(self.bus.stop)
        self.addCleanup(self.logind.stop)
        agent = self.usual()
        page, batch, _ = self.run_to_middle(agent)
        until(lambda: len([row for row in self.session(agent)["inhibitors"] if "AccessDenied" in row.get("error", "")]) == 2, "told")
        text = subprocess.run(agent.command("status"), env=agent.environment, capture_output=True, text=True, check=True).stdout
        self.assertIn("refused to hold up idle:sleep: org.freedesktop.DBus.Error.AccessDenied", text)
        self.assertEqual(page.reaches(batch, "complete", "paused")["state"], "complete")
        self.assertEqual(self.logind.inhibitors(), [])
        again = page.begin(self.names(2))
        page.answer(page.commit(again, 2))
        page.reaches(again, "complete")
        self.assertEqual(agent.log.read_text().count("inhibitor refused what=idle:sleep"), 1)


class LogindTest(LockAndSleepTest):
    def missing(self, agent):
        return self.session(agent).get("error", "")

    def told(self, agent):
        return agent.log.read_text().count("logind is not there:")

    def test_without_a_bus(self):
        """without a system bus batches are signed; status and log say what is missing; one that comes later is found"""
        agent = self.agent()
        until(lambda: "system bus" in self.missing(agent), "the status says it")
        page = agent.page()
        self.addCleanup(page.close)
        batch = page.begin(self.names(2))
        page.answer(page.commit(batch, 2))
        self.assertEqual(page.reaches(batch, "complete")["signed"], 2)
        self.bus.start()
        self.logind.start()
        self.watches(agent, "1")
        self.assertEqual(self.told(agent), 1)
        self.assertEqual(agent.log.read_text().count("logind is there again"), 1)
        page, batch, host = self.run_to_middle(agent, page)
        self.logind.lock()
        self.assert_paused(agent, page, batch, host, "screen_locked")

    def test_logind_comes_and_goes(self):
        """logind that is not there, comes, dies and comes again: told once each, found by itself, and heard again"""
        self.bus.start()
        agent = self.agent()
        until(lambda: "org.freedesktop.login1" in self.missing(agent) or "NameHasNoOwner" in self.missing(agent), "it is told")
        text = subprocess.run(agent.command("status"), env=agent.environment, capture_output=True, text=True, check=True).stdout
        self.assertIn("locks and sleep are not noticed", text)
        self.assertEqual(self.told(agent), 1)
        self.logind.start()
        self.watches(agent, "1")
        page, batch, _ = self.run_to_middle(agent)
        until(lambda: self.logind.inhibitors() == InhibitorTest.BOTH, "both are held")
        self.logind.stop()
        until(lambda: "org.freedesktop.login1" in self.missing(agent), "it is told")
        self.assertEqual(page.reaches(batch, "complete", "paused")["state"], "complete", "a batch goes on without logind")
        self.assertEqual(self.told(agent), 2)
        self.logind.start(sessions=("1", "4"), display="4")
        self.watches(agent, "4")
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "the new one is asked to wait")
        page, batch, host = self.run_to_middle(agent, page)
        until(lambda: self.logind.inhibitors() == InhibitorTest.BOTH, "and to stay awake")
        self.logind.lock("4")
        self.assert_paused(agent, page, batch, host, "screen_locked")

    def test_locked_while_logind_was_away(self):
        """a screen that was locked while nobody could tell counts as locked when logind is back"""
        agent = self.usual(scope="session")
        page = agent.page()
        self.addCleanup(page.close)
        batch = page.begin(self.names(2))
        page.answer(page.commit(batch, 2))
        page.reaches(batch, "complete")
        self.logind.stop()
        until(lambda: self.missing(agent), "it is told")
        self.assertEqual(agent.status()["pins_kept"], 1)
        self.logind.start(display=None)
        self.logind.hint(True)
        self.logind.show_display("1")
        until(lambda: self.session(agent)["locked"] and agent.status()["pins_kept"] == 0, "the PIN is wiped")

    def test_the_bus_goes(self):
        """a system bus that ends is told, and the one that comes in its place is found"""
        agent = self.usual()
        self.logind.stop()
        self.bus.stop()
        until(lambda: "system bus" in self.missing(agent), "it is told")
        self.bus.start()
        self.logind.start()
        self.watches(agent, "1")
        page, batch, host = self.run_to_middle(agent)
        self.logind.lock()
        self.assert_paused(agent, page, batch, host, "screen_locked")


class HostileTest(LockAndSleepTest):
    def unique_name(self, bus, agent):
        driver = dbus.Interface(bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus"), "org.freedesktop.DBus")
        for name in driver.ListNames():
            if name.startswith(":") and driver.GetConnectionUnixProcessID(name) == agent.process:
                return name
        self.fail("signetd is not on the bus")

    def test_signals_of_strangers(self):
        """another user of the bus who sends logind's signals straight to the agent is not heard"""
        agent = self.usual()
        until(lambda: self.logind.inhibitors() == [("sleep", "delay")], "sleep is delayed")
        stranger = self.bus.connection()
        self.addCleanup(stranger.close)
        name = self.unique_name(stranger, agent)
        page, batch, host = self.run_to_middle(agent)

        def send(path, interface, member, *arguments, signature=None):
            message = dbus.lowlevel.SignalMessage(path, interface, member)
            message.set_destination(name)
            message.append(*arguments, signature=signature)
            stranger.send_message(message)

        send(path_of("1"), SESSION_INTERFACE, "Lock")
        send(path_of("1"), "org.freedesktop.DBus.Properties", "PropertiesChanged", SESSION_INTERFACE, {"LockedHint": True}, [],
             signature="sa{sv}as")
        send(MANAGER, MANAGER_INTERFACE, "PrepareForSleep", True)
        send(MANAGER, MANAGER_INTERFACE, "SessionRemoved", "1", dbus.ObjectPath(path_of("1")), signature="so")
        send("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", LOGIND, ":1.0", stranger.get_unique_name())
        stranger.flush()
        progress = page.reaches(batch, "complete", "paused")
        self.assertEqual(progress["state"], "complete", progress)
        self.assertFalse(self.session(agent)["locked"])
        self.assertEqual(self.logind.inhibitors(), [("sleep", "delay")])
        # The same from logind itself is heard: the agent is not deaf.
        page, batch, host = self.run_to_middle(agent, page)
        self.logind.lock()
        self.assert_paused(agent, page, batch, host, "screen_locked")

    def test_signals_that_are_not_as_they_should_be(self):
        """signals of logind with other contents than its own change nothing and harm nothing"""
        agent = self.usual()
        manager, session = self.logind._mock(), self.logind._mock(path_of("1"))
        for name in ("PrepareForSleep", "PrepareForShutdown", "SessionRemoved", "SessionNew", "Unheard"):
            manager.EmitSignal(MANAGER_INTERFACE, name, "s", ["x" * 100_000])
            manager.EmitSignal(MANAGER_INTERFACE, name, "", [])
        properties = "org.freedesktop.DBus.Properties"
        session.EmitSignal(properties, "PropertiesChanged", "s", [SESSION_INTERFACE])
        for interface, value in ((SESSION_INTERFACE, "yes"), (SESSION_INTERFACE, dbus.UInt32(1)), ("another", True)):
            arguments = [interface, {"LockedHint": value}, dbus.Array([], signature="s")]
            session.EmitSignal(properties, "PropertiesChanged", "sa{sv}as", arguments)
        self.assertEqual(self.session(agent)["sessions"], ["1"])
        page, batch, host = self.run_to_middle(agent)
        self.assertFalse(self.session(agent)["locked"])
        self.logind.lock()
        self.assert_paused(agent, page, batch, host, "screen_locked")
        self.assert_resumes(agent, page, batch)

    def test_a_flood(self):
        """thousands of signals: the agent answers meanwhile, grows by nothing, and signs afterwards"""
        agent = self.usual()
        page, batch, host = self.run_to_middle(agent)
        flood = threading.Thread(target=self.logind.flood, args=[FLOOD])
        flood.start()
        longest, began = 0.0, time.monotonic()
        descriptors = []
        while flood.is_alive():
            before = time.monotonic()
            self.session(agent)
            longest = max(longest, time.monotonic() - before)
            descriptors.append(len(os.listdir(f"/proc/{agent.process}/fd")))
        flood.join()
        self.assertGreater(time.monotonic() - began, 0)
        self.assertLess(longest, 3, "the agent answers while it is flooded")
        self.assert_paused(agent, page, batch, host, "screen_locked")
        self.assertLess(max(descriptors) - min(descriptors), 20)
        self.assertLess(agent.log.read_text().count("screen locked"), 2 * FLOOD)
        until(lambda: self.session(agent)["sessions"] == ["1"], "it still watches the session")
        self.assert_resumes(agent, page, batch)


def cannot_run(why):
    print(f"lock_and_sleep.py: cannot run here: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if logind.lacking is not None:
        cannot_run(logind.lacking)
    import dbus
    MODULE = next((module for module in MODULES if os.path.exists(module)), None)
    if MODULE is None:
        cannot_run("no libsofthsm2.so")
    BIN = pathlib.Path(sys.argv[1]).resolve()
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="lock-") as WORK:
        pki = f"{WORK}/pki"
        subprocess.run([BIN / "signet", "demo", "pki", pki, "--keys", "rsa3072"], check=True, stdout=subprocess.DEVNULL)
        made = subprocess.run(
            [BIN / "signet", "demo", "token", pki], input=f"{PIN}\n", text=True, check=True, stdout=subprocess.PIPE
        )
        SOFTHSM = made.stdout.strip()
        unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
