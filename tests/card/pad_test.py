#!/usr/bin/python3
"""A reader with a PIN pad: pcscd, OpenSC and the card are the real ones, and only the keys are pressed by this program.

usage: pad_test.py FOLDER-OF-SIGNETD [unittest's arguments]

SIGNET_PIN_PAD_DRIVER names pin_pad_driver.so. No PIN passes signetd, its hosts or a dialog.
Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import contextlib
import os
import queue
import socket
import threading
import time

import agent_case
from agent_bench import PIN, PUK, WITHIN_S, WRONG_PIN, WRONG_PUK, count_if_wrong, memory_traces, until
from agent_case import EXIT_DONE, EXIT_PERSON, AgentTest

NEW_PIN = "71649308"
READER_WAITS_S = 30  # what OpenSC tells the reader


class Entry:
    """The reader waits for a PIN to be typed."""

    def __init__(self, connection):
        self._connection = connection
        self.what, waits_s = connection.makefile().readline().split()
        self.waits_s = int(waits_s)

    def type(self, *pins):
        for pin in pins[:1]:
            count_if_wrong(pin)  # a new one is none that the card refuses
        with self._connection:
            self._connection.sendall("".join(f"{pin}\n" for pin in pins).encode())

    def cancel(self):
        self.type("cancel")

    def leave(self):
        """Nobody presses anything any more."""
        self._connection.close()


class Keys:
    """The keys of the reader (pin_pad_driver.c)."""

    def __init__(self):
        path = os.environ["SIGNET_PIN_PAD"]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._entries = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._entries.put(Entry(connection))

    def entry(self, within_s=WITHIN_S):
        """The next time that the reader wants a PIN."""
        return self._entries.get(timeout=within_s)

    def nothing_wanted(self):
        return self._entries.empty()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class PadTest(AgentTest):
    other_secrets = (NEW_PIN, WRONG_PIN, WRONG_PUK)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.once = cls.fingerprint("9A")  # its PIN is wanted once

    def setUp(self):
        super().setUp()
        self.keys = Keys()
        self.addCleanup(self.keys.close)

    def agent(self, **options):
        return super().agent(**{"recorded": True, **options})

    def sign_once(self, agent, documents, *words):
        return agent.sign("--cert", self.once, "--out", self.out, *words, *documents)

    def agreed(self, signing):
        """The dialog that asks for consent is agreed with; it wants no PIN."""
        self.display.dialog(signing).press("Tab", "Return")  # Cancel has the focus

    def assert_no_fault(self, agent):
        module = agent.status()["modules"][0]
        self.assertEqual((module["faults"], module["stopped"]), (0, False))

    def assert_not_in_memory(self, agent, *secrets):
        """Where the build has no AddressSanitizer, whose memory is too large to be read."""
        if b"__asan_init" in (self.bin / "signetd").read_bytes():
            return
        for process in (agent.process, *agent.hosts()):
            for secret in secrets:
                self.assertEqual(memory_traces(process, secret), [])

    def assert_tried(self, verify, verify_failed):
        counted = self.card.counted
        self.assertEqual((counted["verify"], counted["verify_failed"]), (verify, verify_failed))


class SignTest(PadTest):
    def test_one_entry_for_a_batch(self):
        """ten documents cost one PIN, typed on the reader; neither agent nor host nor dialog ever has it"""
        agent = self.agent()
        self.assertTrue(agent.query("tokens")["tokens"][0]["pin_pad"])
        signing = self.sign_once(agent, self.documents(10))
        dialog = self.display.dialog(signing)
        self.display.picture("pad-consent")
        dialog.press("Tab", "Return")
        entry = self.keys.entry()
        self.assertEqual((entry.what, entry.waits_s), ("verify", READER_WAITS_S))
        self.assertIn("Press “Sign”, then enter the PIN on the card reader.", agent.told)
        self.assertNotIn("GETPIN", agent.told)
        entry.type(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assert_good(agent)
        self.assertEqual(len(self.written()), 10)
        self.assert_tried(1, 0)
        self.assertTrue(self.keys.nothing_wanted())
        self.assert_not_in_memory(agent, PIN)

    def test_a_key_that_wants_the_pin_each_time(self):
        """a key that wants the PIN at each signature has it typed at each, and the batch is whole"""
        agent = self.agent(module_keys="sign_timeout_s = 3\nlogin_timeout_s = 3")
        signing = self.sign(agent, self.documents(3))
        self.agreed(signing)
        self.keys.entry().type(PIN)  # C_Login
        for number in range(3):
            entry = self.keys.entry()
            if number == 1:
                time.sleep(5)  # a person is slower than a module may be
            entry.type(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assert_good(agent)
        self.assert_card(signatures=3, verify=4, verify_failed=0)
        self.assert_no_fault(agent)

    def test_a_wrong_pin(self):
        """a wrong PIN costs one try and is told; before the last one the dialog says so"""
        agent = self.agent()
        documents = self.documents(2)
        for left in (2, 1):
            signing = self.sign_once(agent, documents)
            self.agreed(signing)
            self.keys.entry().type(WRONG_PIN)
            self.assert_ends(signing, EXIT_PERSON, "The PIN was wrong.", *["1 try is left."] * (left == 1))
            self.assertEqual(self.card.tries, left)
        signing = self.sign_once(agent, documents)
        self.display.dialog(signing)
        until(lambda: "This is the last try: another wrong PIN locks the token." in agent.told, "the dialog says so")
        self.display.picture("pad-last-try")
        self.agreed(signing)
        self.keys.entry().type(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assert_good(agent)
        self.assert_tried(3, 2)
        self.assert_no_fault(agent)

    def test_locked(self):
        """a PIN that gets locked at the pad is said to be, with what to do, and nobody is asked any more"""
        agent = self.agent()
        for _ in range(3):
            signing = self.sign_once(agent, self.documents(1))
            self.agreed(signing)
            self.keys.entry().type(WRONG_PIN)
            signing.exit_code()
        self.assertIn("signet pin unblock", signing.said)
        self.assert_ends(self.sign_once(agent, self.documents(1)), EXIT_PERSON, "locked")
        self.assert_tried(3, 3)
        self.assert_no_fault(agent)

    def test_cancelled_at_the_reader(self):
        """who presses the reader's red key has cancelled: nothing is tried, nothing is a fault, and the next batch signs"""
        agent = self.agent()
        signing = self.sign_once(agent, self.documents(2))
        self.agreed(signing)
        self.keys.entry().cancel()
        self.assert_ends(signing, EXIT_PERSON, "ancelled")
        self.assert_tried(0, 0)
        self.assert_no_fault(agent)
        signing = self.sign_once(agent, self.documents(2))
        self.agreed(signing)
        self.keys.entry().type(PIN)
        self.assert_ends(signing, EXIT_DONE)

    def test_cancelled_within_a_batch(self):
        """cancelled at the second of three signatures: the first is kept, the others are not signed, and a resume signs them"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(3))
        self.agreed(signing)
        self.keys.entry().type(PIN)
        self.keys.entry().type(PIN)
        self.keys.entry().cancel()
        self.assert_ends(signing, EXIT_PERSON, "ancelled")
        self.assertEqual(len(self.written()), 1)
        self.assert_card(signatures=1, verify=2, verify_failed=0)
        self.assert_no_fault(agent)

    def test_nobody_types(self):
        """the reader's own time-out is waited for, longer than a login may take; then nothing was tried, and nothing is a fault"""
        agent = self.agent(module_keys="login_timeout_s = 3")
        hosts = agent.hosts()
        signing = self.sign_once(agent, self.documents(1))
        self.agreed(signing)
        began = time.monotonic()
        self.keys.entry().leave()
        while time.monotonic() < began + READER_WAITS_S - 2:
            self.assertEqual(agent.hosts(), hosts, "a host is not killed while a person may be typing")
            time.sleep(0.2)
        self.assert_ends(signing, EXIT_PERSON, "Cancelled")
        self.assert_tried(0, 0)
        self.assert_no_fault(agent)

    def test_ctrl_c_while_the_reader_waits(self):
        """who asked goes while the reader waits: the command ends, the reader is let be, and what is typed then signs nothing"""
        agent = self.agent()
        signing = self.sign_once(agent, self.documents(2))
        self.agreed(signing)
        entry = self.keys.entry()
        hosts = agent.hosts()
        signing.interrupt()
        signing.exit_code()
        self.assertEqual(agent.hosts(), hosts, "a host is not killed while a person may be typing")
        entry.type(PIN)
        until(lambda: self.card.counted["verify"] == 1, "the card has it")
        until(lambda: agent.hosts() != hosts, "whoever is logged in for nobody is let go")
        self.assertEqual(self.written(), [])
        self.assert_no_fault(agent)
        signing = self.sign_once(agent, self.documents(1))
        self.agreed(signing)
        self.keys.entry().type(PIN)
        self.assert_ends(signing, EXIT_DONE)

    def test_the_agent_stops_while_the_reader_waits(self):
        """an agent that is told to stop does not wait for a person at the reader"""
        agent = self.agent()
        signing = self.sign_once(agent, self.documents(2))
        self.agreed(signing)
        entry = self.keys.entry()
        self.end(agent)
        signing.exit_code()
        self.assertEqual(self.written(), [])
        entry.cancel()

    def test_the_card_is_pulled_while_the_reader_waits(self):
        """a card that is pulled while its PIN is typed is told as removed, nothing is a fault, and the next one signs"""
        agent = self.agent()
        signing = self.sign_once(agent, self.documents(2))
        self.agreed(signing)
        entry = self.keys.entry()
        self.card.tell("remove")
        entry.type(PIN)
        self.assert_ends(signing, EXIT_PERSON, "The token was removed.")
        self.assert_tried(0, 0)
        self.card.wait_until_pulled()
        self.card.tell("insert")
        until(lambda: agent.query("tokens").get("tokens"), "the card is there again")
        self.assert_no_fault(agent)
        signing = self.sign_once(agent, self.documents(1))
        self.agreed(signing)
        self.keys.entry().type(PIN)
        self.assert_ends(signing, EXIT_DONE)


class PinTest(PadTest):
    def agent(self, **options):
        # The catalogue does not know the bench's card: the configuration says how it is unblocked.
        return super().agent(**{"module_keys": 'unblock = "puk"', **options})

    def begin(self, agent, task):
        command = agent.pin(task)
        dialog = self.display.dialog(command)
        self.display.picture(f"pad-{task}")
        dialog.press("Tab", "Return")  # Cancel has the focus
        return command

    def assert_presented(self, **counts):
        """What is not named was not presented."""
        expected = dict.fromkeys(("pin_presented", "pin_refused", "puk_presented", "puk_refused"), 0) | counts
        self.assertEqual(self.card.presented, expected)

    def assert_opens(self, agent, pin):
        signing = self.sign_once(agent, self.documents(1))
        self.agreed(signing)
        self.keys.entry().type(pin)
        self.assert_ends(signing, EXIT_DONE)
        self.assert_good(agent)

    def test_unblock(self):
        """PUK and new PIN are typed on the reader; neither is in the agent or its host; the new PIN signs"""
        agent = self.agent()
        command = self.begin(agent, "unblock")
        entry = self.keys.entry()
        self.assertEqual((entry.what, entry.waits_s), ("modify", READER_WAITS_S))
        self.assertNotIn("GETPIN", agent.told)
        entry.type(PUK, NEW_PIN, NEW_PIN)
        self.assert_ends(command, EXIT_DONE, "The PINs are typed on the card reader.", "is unblocked: the new one counts")
        self.assert_presented(puk_presented=1)
        self.assert_not_in_memory(agent, PUK, NEW_PIN)
        self.assert_opens(agent, NEW_PIN)

    def test_unblock_that_is_not_repeated(self):
        """a new PIN that is not repeated, or a red key, costs no try of the PUK"""
        agent = self.agent()
        command = self.begin(agent, "unblock")
        self.keys.entry().type(PUK, NEW_PIN, "11112222")
        self.assert_ends(command, EXIT_PERSON, "The new PIN was not set; the old one still counts.")
        command = self.begin(agent, "unblock")
        self.keys.entry().cancel()
        self.assert_ends(command, EXIT_PERSON, "Cancelled: the PIN is as it was.")
        self.assert_presented()
        self.assert_no_fault(agent)
        self.assert_opens(agent, PIN)

    def test_a_wrong_puk(self):
        """a wrong PUK costs one try, and the next time a question warns before it"""
        agent = self.agent()
        command = self.begin(agent, "unblock")
        self.keys.entry().type(WRONG_PUK, NEW_PIN, NEW_PIN)
        self.assert_ends(command, EXIT_PERSON, "The PUK or SO PIN was wrong.")
        self.assert_presented(puk_presented=1, puk_refused=1)
        command = self.begin(agent, "unblock")
        self.assertIn("was wrong before", agent.told)
        self.display.dialog(command).press("Escape")
        self.assert_ends(command, EXIT_PERSON, "Cancelled: the PIN is as it was.")
        self.assert_presented(puk_presented=1, puk_refused=1)

    def test_change(self):
        """OpenSC 0.23 does not change a PIV card's PIN on a reader: that is said, and the PIN is as it was"""
        agent = self.agent()
        command = self.begin(agent, "change")
        self.keys.entry().type(PIN)
        command.exit_code()
        self.assertIn("The new PIN was not set; the old one still counts.", command.said)
        self.assertTrue(self.keys.nothing_wanted())
        self.assert_presented(pin_presented=1)
        self.assert_no_fault(agent)
        self.assert_opens(agent, PIN)

    def test_a_wrong_old_pin(self):
        """a wrong old PIN costs one try, and the reader does not ask for a new one"""
        agent = self.agent()
        command = self.begin(agent, "change")
        self.keys.entry().type(WRONG_PIN)
        self.assert_ends(command, EXIT_PERSON, "The PIN was wrong.")
        self.assert_presented(pin_presented=1, pin_refused=1)
        self.assertTrue(self.keys.nothing_wanted())


if __name__ == "__main__":
    agent_case.main(__doc__, bench=("--pin-pad", os.environ["SIGNET_PIN_PAD_DRIVER"]))
