#!/usr/bin/python3
"""Other programs use the card beside signetd: pkcs11-tool, ssh, gpg; while it is idle, while it keeps a PIN, while a batch signs.

usage: sharing_test.py FOLDER-OF-SIGNETD [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import subprocess
import time

import agent_case
from agent_bench import PIN, until
from agent_case import EXIT_DONE, AgentTest
from busy_test import LEAVE_CARD, Holder

SELECT = "00A404000BA000000308000010000100"
LOG_OUT = "0020FF80"  # SP 800-73-4 Part 2, 3.2.1: VERIFY with P1 = FF
IS_LOGGED_IN = "00200080"  # without data: 9000 if the card was given its PIN and signs for whoever comes


class Connected(Holder):
    """A program that is connected to the card and does nothing with it."""

    def __init__(self):
        super().__init__(exclusive=False)

    def __enter__(self):
        super().__enter__()
        self._call("SCardEndTransaction", self._card, ctypes.c_ulong(LEAVE_CARD))
        self._exclusive = True  # no transaction is to be ended
        return self


class SharingTest(AgentTest):
    def run_other(self, *command, environment=None, code=0, **more):
        done = subprocess.run(
            command, env={**os.environ, "CARD_PIN": PIN, **(environment or {})}, capture_output=True, text=True, check=False,
            timeout=60, **more,
        )
        if code is not None:
            self.assertEqual(done.returncode, code, f"{command}: {done.stdout}{done.stderr}")
        return done

    def pkcs11_tool(self, *words, login=True, code=0):
        words = (*(("--login", "--pin", "env:CARD_PIN") if login else ()), *words)
        return self.run_other("pkcs11-tool", "--module", os.environ["SIGNET_CARD_MODULE"], *words, code=code)

    def other_signs(self, login=True, code=0):
        data, made = self.folder / "data", self.folder / "made"
        data.write_bytes(bytes(32))
        made.unlink(missing_ok=True)
        self.pkcs11_tool(
            "--sign", "--id", "01", "--mechanism", "SHA256-RSA-PKCS", "--input-file", data, "--output-file", made, login=login, code=code)
        self.assertEqual(made.exists() and made.stat().st_size == 256, code == 0)

    def send(self, *apdus):
        """The status word of the last one, as another program sends them."""
        words = [word for apdu in (SELECT, *apdus) for word in ("--send-apdu", apdu)]
        said = self.run_other("opensc-tool", *words).stdout
        return "".join(re.findall(r"SW1=0x(..), SW2=0x(..)", said)[-1])

    def made(self, slot):
        return self.card.tell("status")["sign"][slot]

    def use(self, slot):
        """What the agent signs with."""
        self.certificate = self.fingerprint(slot)
        return self.made(slot)


class IdleTest(SharingTest):
    """The agent has the card open and does nothing; with a kept PIN it is logged in."""

    def setUp(self):
        super().setUp()
        self.use("9A")
        self.idle = self.agent(scope="session", recorded=True)
        self.sign_two(lambda dialog: dialog.type_pin(PIN))
        self.assertEqual((self.idle.status()["pins_kept"], len(self.idle.hosts())), (1, 1))

    def sign_two(self, answer):
        signing = self.sign(self.idle, self.documents(2))
        answer(self.display.dialog(signing))
        self.assert_ends(signing, EXIT_DONE)

    def assert_still_signs(self):
        """With the PIN that it keeps: the person is asked to consent, not for the PIN."""
        before = self.made("9A")
        self.sign_two(lambda dialog: dialog.press("Tab", "Return"))
        self.assertEqual(self.made("9A"), before + 2)
        self.assertEqual(self.idle.told.count("GETPIN"), 1)
        self.assert_good(self.idle)

    def test_pkcs11_tool(self):
        """pkcs11-tool logs in, signs and logs out beside it"""
        for _ in range(3):
            self.other_signs()
        self.assert_still_signs()

    def test_nobody_waits(self):
        """no transaction is held: another program's begins at once, and again after it has signed"""
        for _ in range(2):
            began = time.monotonic()
            with Holder(exclusive=False):
                self.assertLess(time.monotonic() - began, 1)
            self.assert_still_signs()

    def test_others_log_out_and_reset(self):
        """another program that logs the card out, or resets it, takes nothing from the agent but a login"""
        for disturb in (lambda: self.send(LOG_OUT), lambda: self.run_other("opensc-tool", "--reset")):
            disturb()
            self.assertEqual(self.send(IS_LOGGED_IN), "63C3")
            self.assert_still_signs()

    def test_ssh(self):
        """ssh-keygen reads the card's keys, and ssh-agent signs with one beside it"""
        keys = self.run_other("ssh-keygen", "-D", os.environ["SIGNET_CARD_MODULE"]).stdout
        self.assertEqual(keys.count("ssh-rsa "), 2, keys)
        askpass = self.folder / "askpass"
        askpass.write_text('#!/bin/sh\necho "$CARD_PIN"\n')
        askpass.chmod(0o700)
        socket = self.folder / "ssh-agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        until(socket.exists, "ssh-agent listens")
        environment = {"SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":none"}
        self.run_other("ssh-add", "-s", os.environ["SIGNET_CARD_MODULE"], environment=environment)
        public = self.folder / "card.pub"
        public.write_text(keys.splitlines()[0] + "\n")
        before = self.made("9A")
        self.run_other("ssh-add", "-T", public, environment=environment)  # signs, and verifies
        self.assertEqual(self.made("9A"), before + 1)
        self.assert_still_signs()
        self.idle.query("lock")  # what ends our login leaves theirs
        self.run_other("ssh-add", "-T", public, environment=environment)
        self.run_other("ssh-add", "-e", os.environ["SIGNET_CARD_MODULE"], environment=environment)

    def test_gpg(self):
        """gpg's scdaemon comes to the card beside it with pcsc-shared; as delivered it wants the card for itself alone"""
        home = self.folder / "gnupg"
        home.mkdir(mode=0o700)
        log = home / "log"
        for shared, seen in (("", "sharing violation"), ("pcsc-shared", "no supported card application found")):
            with self.subTest(shared):
                # Without a driver of its own for USB readers, which would take them from pcscd.
                (home / "scdaemon.conf").write_text(f"disable-ccid\n{shared}\nverbose\nverbose\nlog-file {log}\n")
                # This one knows no PIV cards: it asks for each application that it knows.
                self.run_other("gpg", "--homedir", home, "--card-status", code=2)
                self.run_other("gpgconf", "--homedir", home, "--kill", "all")
                self.assertIn(seen, log.read_text())
                log.unlink()
                self.assert_still_signs()


class BesideTest(SharingTest):
    def test_an_agent_that_keeps_nothing(self):
        """another program can log in and sign while the agent has the card open, and the agent signs after it"""
        agent = self.agent()
        self.assertEqual(len(agent.hosts()), 1, "the agent has the card open")
        self.other_signs()
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assertEqual(self.card.counted["verify_failed"], 0)

    def signed_and_wiped(self, beside=None):
        """After a batch, what the card answers who asks whether it was given its PIN."""
        agent = self.agent()
        signing = self.sign(agent, self.documents(2))
        dialog = self.display.dialog(signing)
        with beside or contextlib.nullcontext():
            dialog.type_pin(PIN)
            self.assert_ends(signing, EXIT_DONE)
            until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped")
            agent.query("tokens")  # by another host
        return self.send(IS_LOGGED_IN)

    def test_nobody_rides_on_our_login(self):
        """after a batch the card itself wants its PIN again"""
        self.assertEqual(self.signed_and_wiped(), "63C3")
        self.other_signs(login=False, code=1)

    def test_a_card_that_others_use_is_left_as_it_is(self):
        """a card that another program is connected to is not reset after a batch: that one may be logged in itself"""
        self.assertEqual(self.signed_and_wiped(Connected()), "9000")

    def test_where_opensc_resets_it(self):
        """with disconnect_action = reset in opensc.conf the card wants its PIN again in any case"""
        conf = self.folder / "opensc.conf"
        reset = "app default {\n  reader_driver pcsc { disconnect_action = reset; }"
        conf.write_text(pathlib.Path(os.environ["OPENSC_CONF"]).read_text().replace("app default {", reset))
        agent = self.agent(opensc_conf=conf)
        signing = self.sign(agent, self.documents(2))
        dialog = self.display.dialog(signing)
        with Connected():
            dialog.type_pin(PIN)
            self.assert_ends(signing, EXIT_DONE)
            until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped")
            agent.query("tokens")
        self.assertEqual(self.send(IS_LOGGED_IN), "63C3")


class BatchTest(SharingTest):
    """While a batch signs."""

    def start_batch(self, slot, count):
        self.before = {one: self.made(one) for one in ("9A", "9C")}
        self.use(slot)
        self.agent_here = self.agent(recorded=True)
        signing = self.sign(self.agent_here, self.documents(count))
        self.display.dialog(signing).type_pin(PIN)
        return signing

    def assert_complete(self, signing, count, within_s=60):
        """All signatures are made with one dialog; how many each key of the card has made meanwhile."""
        self.assert_ends(signing, EXIT_DONE, f"{count} of {count} signatures were written", within_s=within_s)
        self.assertEqual(self.agent_here.told.count("GETPIN"), 1, "the person is asked once")
        self.assert_good(self.agent_here)
        self.assertEqual(self.card.counted["verify_failed"], 0)
        return {one: self.made(one) - before for one, before in self.before.items()}

    def test_pkcs11_tool(self):
        """pkcs11-tool logs in, signs and logs out in the middle of a batch, and the card is reset: both get their signatures, no
        signature is made twice, and nobody waits for the end of the batch"""
        count = 200
        self.card.tell("delay 250")
        signing = self.start_batch("9C", count)
        until(lambda: self.made("9C") >= self.before["9C"] + 3, "it signs")
        self.other_signs()
        resets = self.card.tell("status")["resets"]
        self.run_other("opensc-tool", "--reset")
        self.assertEqual(self.card.tell("status")["resets"], resets + 1)
        self.assertFalse(signing.ended(), "it signs still")
        self.card.tell("delay 0")  # the rest need not take its time
        self.assertEqual(self.assert_complete(signing, count), {"9C": count, "9A": 1})

    def test_the_card_is_logged_out(self):
        """another program logs the card out between two commands of ours: the PIN, once accepted, is presented again, and each
        signature is made once"""
        count = 12
        for slot in ("9C", "9A"):
            for faults in (("1 signature",), ("4 signature", "5 signature", "9 signature"), *((f"{step} apdu",) for step in (22, 23, 24, 25))):
                with self.subTest(slot=slot, faults=faults):
                    for fault in faults:
                        self.card.tell(f"at {fault} log-out")
                    signing = self.start_batch(slot, count)
                    made = self.assert_complete(signing, count)
                    self.assertEqual(made[slot], count)
                    self.assertEqual(self.card.tell("status")["faults"], 0, "each of them came")
                self.doCleanups()
                self.setUp()


if __name__ == "__main__":
    agent_case.main(__doc__)
