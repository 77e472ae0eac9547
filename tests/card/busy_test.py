#!/usr/bin/python3
"""Other programs hold the card, by PC/SC's own means: signetd says so, counts nobody's fault, and signs when they let go.

usage: busy_test.py FOLDER-OF-SIGNETD [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import ctypes
import time

import agent_case
from agent_bench import PIN
from agent_case import EXIT_DONE, EXIT_PERSON, AgentTest

SCOPE_SYSTEM, SHARE_EXCLUSIVE, SHARE_SHARED, PROTOCOL_ANY, LEAVE_CARD = 2, 1, 2, 3, 0
BUSY = "Another program holds the card."
SHARING_VIOLATION = "0x8010000b"
LET_GO_WITHIN_S = 5


class Holder:
    """A program that holds the card in the first reader, or another: `with Holder(exclusive=True):`."""

    def __init__(self, exclusive, reader=0):
        self._pcsc = ctypes.CDLL("libpcsclite.so.1")
        self._exclusive, self._reader = exclusive, reader
        self._context, self._card = ctypes.c_long(), ctypes.c_long()

    def _call(self, function, *words):
        answer = getattr(self._pcsc, function)(*words) & 0xFFFFFFFF
        if answer != 0:
            raise RuntimeError(f"{function}: {answer:#x}")

    def __enter__(self):
        self._call("SCardEstablishContext", SCOPE_SYSTEM, None, None, ctypes.byref(self._context))
        size = ctypes.c_ulong()
        self._call("SCardListReaders", self._context, None, None, ctypes.byref(size))
        names = ctypes.create_string_buffer(size.value)
        self._call("SCardListReaders", self._context, None, names, ctypes.byref(size))
        share = ctypes.c_ulong(SHARE_EXCLUSIVE if self._exclusive else SHARE_SHARED)
        protocol = ctypes.c_ulong()
        self.readers = [name.decode() for name in names.raw.split(b"\0") if name]
        deadline = time.monotonic() + LET_GO_WITHIN_S
        while True:
            try:
                self._call("SCardConnect", self._context, self.readers[self._reader].encode(), share, ctypes.c_ulong(PROTOCOL_ANY),
                           ctypes.byref(self._card), ctypes.byref(protocol))
                break
            except RuntimeError as error:
                # pcscd takes a moment to notice that a host is gone.
                if SHARING_VIOLATION not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        if not self._exclusive:
            self._call("SCardBeginTransaction", self._card)
        return self

    def __exit__(self, *_):
        if not self._exclusive:
            self._call("SCardEndTransaction", self._card, ctypes.c_ulong(LEAVE_CARD))
        self._call("SCardDisconnect", self._card, ctypes.c_ulong(LEAVE_CARD))
        self._call("SCardReleaseContext", self._context)


class BusyTest(AgentTest):
    def busy_agent(self):
        return self.agent(module_keys="load_timeout_s = 3\nlist_timeout_s = 3\nlogin_timeout_s = 3\nsign_timeout_s = 3\n")

    def assert_no_fault(self, agent):
        module = agent.status()["modules"][0]
        self.assertEqual((module["faults"], module["stopped"]), (0, False))

    def assert_signs(self, agent, documents):
        signing = self.sign(agent, documents)
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assert_good(agent)
        self.assertEqual(self.card.counted["verify_failed"], 0)

    def test_held_exclusively(self):
        """a card that another program has for itself alone is said to be busy, not to be absent"""
        agent = self.busy_agent()
        self.assertIsNotNone(agent.query("restart", "module"))  # the agent's own host lets go of it
        with Holder(exclusive=True):
            self.assert_ends(self.sign(agent, self.documents(1)), EXIT_PERSON, BUSY)
            self.assert_no_fault(agent)
        self.assert_signs(agent, self.documents(2))

    def test_held_in_a_transaction(self):
        """a host that waits for another program's transaction is not at fault, and the person is told within the limit"""
        agent = self.busy_agent()
        with Holder(exclusive=False):
            for _ in range(6):  # more often than a module may be at fault
                self.assert_ends(self.sign(agent, self.documents(1)), EXIT_PERSON, BUSY, within_s=10)
            self.assert_no_fault(agent)
        self.assert_signs(agent, self.documents(2))

    def test_held_while_the_dialog_is_open(self):
        """a card that is taken while a person types loses no try, and nobody is at fault"""
        agent = self.busy_agent()
        signing = self.sign(agent, self.documents(2))
        dialog = self.display.dialog(signing)
        with Holder(exclusive=False):
            dialog.type_pin(PIN)
            self.assert_ends(signing, EXIT_PERSON, BUSY, within_s=15)
            self.assert_no_fault(agent)
            self.assert_card(signatures=0, verify=0, verify_failed=0)
        self.assert_signs(agent, self.documents(2))


if __name__ == "__main__":
    agent_case.main(__doc__)
