#!/usr/bin/python3
"""signetd and signet with a card behind pcscd and OpenSC and with the dialog that people see.

usage: agent_test.py FOLDER-OF-SIGNETD [unittest's arguments]

SIGNET_SCREENSHOTS=FOLDER keeps pictures of the dialogs.

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import json
import os
import pathlib
import pty
import re
import subprocess

import agent_case
from agent_bench import HANGING_WITHIN_S, PIN, WRONG_PIN, memory_traces, until
from agent_case import EXIT_DONE, EXIT_MACHINE, EXIT_PERSON, OWNER, AgentTest


class BatchTest(AgentTest):
    def sign_ten(self, pinentry):
        agent = self.agent(pinentry=f"/usr/bin/{pinentry}", recorded=True, tsa=self.tsa())
        documents = self.documents(10)
        signing = self.sign(agent, documents, "--level", "t", "--purpose", "Invoices of November")
        dialog = self.display.dialog(signing)
        self.display.picture(f"batch-{pinentry}")
        dialog.type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE, "10 of 10 signatures were written")
        self.assertEqual(agent.told.count("GETPIN"), 1, "one dialog")
        self.assertEqual(self.display.dialogs(), [])
        # One log-in, then the key's own wish for the PIN before each signature.
        self.assert_card(signatures=10, verify=11, verify_failed=0)
        self.assertEqual(len(self.written()), 10)
        self.assert_good(agent)
        return agent.told

    def test_a_batch_of_ten_costs_one_dialog(self):
        """ten documents, a key that wants the PIN each time: one dialog, ten good signatures, no PIN in vain"""
        told = self.sign_ten("pinentry-gtk-2")
        self.assertIn("The command line asks you to sign 10 documents.", told)
        for text in ("“Invoices of November”", "invoice-01.pdf", "invoice-05.pdf", "and 5 more"):
            self.assertIn(text, told)
        for text in (f"Certificate: {OWNER}", "Valid until", "XAdES-B-T"):
            self.assertIn(text, told)

    def test_the_same_with_qt(self):
        """the same with the pinentry that is made with Qt"""
        if not pathlib.Path("/usr/bin/pinentry-qt").exists():
            self.lacking("no pinentry-qt")
        self.sign_ten("pinentry-qt")

    def test_two_batches_ask_twice(self):
        """what was typed for one batch does not open the next one"""
        agent = self.agent()
        for number in (1, 2):
            signing = self.sign(agent, self.documents(1))
            self.display.dialog(signing).type_pin(PIN)
            self.assert_ends(signing, EXIT_DONE)
            self.assert_card(signatures=number, verify=2 * number, verify_failed=0)


class WrongPinTest(AgentTest):
    def test_a_wrong_pin_costs_one_try_each(self):
        """a wrong PIN costs one try and is told; the second one tells that one is left; then a warning comes first"""
        agent = self.agent(recorded=True)
        documents = self.documents(3)

        signing = self.sign(agent, documents)
        self.display.dialog(signing).type_pin(WRONG_PIN)
        self.assert_ends(signing, EXIT_PERSON, "The PIN was wrong.")
        self.assertEqual(self.card.tries, 2)
        self.assert_card(signatures=0, verify=1, verify_failed=1)

        signing = self.sign(agent, documents)
        self.display.dialog(signing).type_pin(WRONG_PIN)
        self.assert_ends(signing, EXIT_PERSON, "The PIN was wrong.", "1 try is left.")
        self.assertEqual(self.card.tries, 1)
        self.assertNotIn("CONFIRM", agent.told)

        signing = self.sign(agent, documents)
        warning = self.display.dialog(signing)
        self.assertIn("only one try is left for the PIN", agent.told)
        until(lambda: "CONFIRM" in agent.told, "the question is asked before the PIN")
        self.display.picture("final-try")
        warning.press("Escape")
        self.assert_ends(signing, EXIT_PERSON, "Cancelled", "user_cancelled")
        self.assertEqual(self.card.tries, 1)
        self.assert_card(signatures=0, verify=2, verify_failed=2)

        signing = self.sign(agent, documents)
        self.display.dialog(signing).press("Tab", "Return")  # Cancel has the focus
        dialog = self.display.dialog(signing)
        until(lambda: "This is the last try" in agent.told, "the dialog itself says so as well")
        self.display.picture("final-try-pin")
        dialog.type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assertEqual(self.card.tries, 3)
        self.assert_card(signatures=3, verify=2 + 4, verify_failed=2)

    def test_a_short_pin_is_not_tried(self):
        """a PIN that is too short for the card is not presented to it"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN[:3])
        self.assert_ends(signing, EXIT_PERSON, "too short or too long")
        self.assert_card(signatures=0, verify=0, verify_failed=0)

    def test_a_locked_card_asks_nobody(self):
        """a card without tries is told at once, without a dialog"""
        self.card.pull()  # a card that was given its PIN before does not tell its tries
        self.card.tell("block")
        self.card.tell("insert")
        agent = self.agent()
        self.assert_ends(self.sign(agent, self.documents(1)), EXIT_PERSON, "locked", "pin_locked")
        self.assertEqual(self.display.dialogs(), [])
        self.assert_card(signatures=0, verify=0, verify_failed=0)


class CancelTest(AgentTest):
    def assert_nothing_done(self):
        self.assert_card(signatures=0, verify=0, verify_failed=0)
        self.assertEqual(self.written(), [])

    def test_escape_cancels(self):
        """Escape in the dialog cancels, and the card is not asked; what was typed before is not presented"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing).type_pin(PIN, then="Escape")
        self.assert_ends(signing, EXIT_PERSON, "user_cancelled")
        self.assert_nothing_done()

    def test_an_empty_pin_cancels(self):
        """Return without a PIN cancels"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing).press("Return")
        self.assert_ends(signing, EXIT_PERSON, "user_cancelled")
        self.assert_nothing_done()

    def test_the_dialog_times_out(self):
        """a dialog that nobody answers closes by itself and counts as cancelled"""
        agent = self.agent(timeout_s=5)
        signing = self.sign(agent, self.documents(2))
        dialog = self.display.dialog(signing)
        self.assert_ends(signing, EXIT_PERSON, "user_cancelled", "timed out", within_s=15)
        dialog.gone()
        self.assert_nothing_done()

    def test_ctrl_c_closes_the_dialog(self):
        """Ctrl-C at `signet sign` takes the dialog away"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(2))
        dialog = self.display.dialog(signing)
        signing.interrupt()
        self.assert_ends(signing, EXIT_PERSON, "user_cancelled", within_s=5)
        dialog.gone(within_s=5)
        self.assert_nothing_done()

    def test_cancels_do_not_add_up(self):
        """who cancelled nine times can still sign: what was given up is not counted as unfinished"""
        agent = self.agent()
        for _ in range(9):
            signing = self.sign(agent, self.documents(1))
            self.display.dialog(signing).press("Escape")
            self.assert_ends(signing, EXIT_PERSON, "user_cancelled")
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)

    def test_without_a_display(self):
        """without display and terminal nothing is signed, and the reason says what is missing"""
        for pinentry in ("pinentry", "/usr/bin/pinentry-gtk-2"):
            with self.subTest(pinentry):
                agent = self.agent(display=None, pinentry=pinentry)
                self.assert_ends(self.sign(agent, self.documents(2)), EXIT_MACHINE, "no_dialog_possible", "no display")
                self.assert_nothing_done()
                self.doCleanups()


class RemovalTest(AgentTest):
    def test_the_card_is_pulled_while_it_signs(self):
        """a card that is pulled in the fifth of ten signatures: four are written; back again it signs the others"""
        agent = self.agent()
        documents = self.documents(10)
        self.card.tell("delay 100")
        self.card.tell("fail-after 5")
        signing = self.sign(agent, documents)
        self.display.dialog(signing).type_pin(PIN)
        # pcscd sees a removal up to 0.4 s late, and until then OpenSC calls it CKR_GENERAL_ERROR.
        self.assertIn(signing.exit_code(HANGING_WITHIN_S), (EXIT_PERSON, EXIT_MACHINE), signing.said)
        self.assertRegex(signing.said, "token_removed|token_failed: C_Sign: CKR_GENERAL_ERROR|token_host_timeout")
        self.assertIn("4 of 10 signatures were written", signing.said)
        made = [f"{document.name}.xades.xml" for document in documents[:4]]
        self.assertEqual([file.name for file in self.written()], made)
        self.assertEqual(self.card.counted["signatures"], 4)
        self.assertEqual(self.card.counted["verify_failed"], 0)

        self.card.wait_until_pulled()
        self.assertEqual(agent.query("tokens").get("tokens"), [])
        self.assert_ends(agent.sign(documents[4]), EXIT_PERSON, "No token was found.")
        self.card.tell("insert")
        until(lambda: agent.query("tokens").get("tokens"), "the agent sees the card again")
        signing = self.sign(agent, documents[4:])
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assertEqual(self.card.counted["signatures"], 10)
        self.assertEqual(self.card.counted["verify_failed"], 0)
        self.assert_good(agent)

    def test_the_card_is_pulled_while_the_dialog_is_open(self):
        """a card that is pulled while the dialog is open: the PIN goes nowhere"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(1))
        dialog = self.display.dialog(signing)
        self.card.pull()
        dialog.type_pin(PIN)
        self.assert_ends(signing, EXIT_PERSON, "token_removed")
        self.assert_card(signatures=0, verify=0, verify_failed=0)


class SlowCardTest(AgentTest):
    def interrupt_after(self, agent, made):
        """Ctrl-C once so many signatures are shown; answers the numbers that were shown."""
        self.card.tell("delay 200")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        signing = self.sign(agent, self.documents(60), stderr=theirs)
        os.close(theirs)
        self.display.dialog(signing).type_pin(PIN)
        seen = self.read_progress(ours, made)
        signing.interrupt()
        self.assertEqual(signing.exit_code(within_s=3), EXIT_PERSON)
        return seen

    def test_progress_moves_and_ctrl_c_is_felt(self):
        """with a slow card progress moves by single signatures, and Ctrl-C ends it soon and keeps what was shown"""
        agent = self.agent()
        seen = self.interrupt_after(agent, made=4)
        self.assertTrue({1, 2, 3, 4} <= seen, f"each signature is shown: {seen}")
        self.assertGreaterEqual(len(self.written()), max(seen))
        until(lambda: agent.status()["running"] == 0, "the batch has ended")
        # The card goes on with what it was given already, and no further.
        self.assertLessEqual(self.card.counted["signatures"], max(seen) + 3)
        self.assertEqual(agent.status()["pins_kept"], 0)
        self.assert_good(agent)

    def test_what_the_card_signed_is_kept(self):
        """after Ctrl-C each signature that the card made is written"""
        agent = self.agent()
        self.interrupt_after(agent, made=2)
        until(lambda: agent.status()["running"] == 0, "the batch has ended")
        self.assertEqual(self.card.counted["signatures"], len(self.written()))

    def read_progress(self, terminal, at_least):
        shown, seen = "", {0}
        while max(seen) < at_least:
            shown += os.read(terminal, 4096).decode()
            seen |= {int(number) for number in re.findall(r"\] (\d+)/60", shown)}
        return seen


class MemoryTest(AgentTest):
    def setUp(self):
        # Its allocator keeps freed memory, and its shadow is terabytes: what is asked here is asked of other builds.
        if b"__asan_init" in (self.bin / "signetd").read_bytes():
            self.skipTest("a build with AddressSanitizer")
        super().setUp()

    def scanned(self, process, pin=PIN):
        try:
            # What the process was started with stands on its stack: a scan that does not find it has read nothing.
            argument = pathlib.Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[-2].decode()
            self.assertTrue(memory_traces(process, argument), f"the scan of {process} finds {argument}")
            return memory_traces(process, pin)
        except PermissionError:
            self.lacking("this user may not read signetd's memory")

    def sign_one(self, agent):
        signing = self.sign(agent, self.documents(5))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)

    def test_the_pin_is_gone_after_the_batch(self):
        """after a batch no five characters of the PIN are left in signetd or in a token host"""
        agent = self.agent()
        self.sign_one(agent)
        until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped")
        for process in [agent.process, *agent.hosts()]:
            self.assertEqual(self.scanned(process), [], pathlib.Path(f"/proc/{process}/comm").read_text())

    def test_a_kept_pin_is_in_locked_memory_alone(self):
        """a PIN kept for the session stands in locked pages of signetd alone, until `signet lock`"""
        agent = self.agent(scope="session")
        self.sign_one(agent)
        found = self.scanned(agent.process)
        self.assertTrue(found, "the scan finds a PIN that is there")
        self.assertEqual([address for address, locked in found if not locked], [])
        agent.query("lock")
        for process in [agent.process, *agent.hosts()]:
            self.assertEqual(self.scanned(process), [])

    def test_after_cancel_and_wrong_pin(self):
        """after a PIN that was wrong and one that was not sent nothing of them is left either"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(WRONG_PIN)
        self.assert_ends(signing, EXIT_PERSON)
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN, then="Escape")
        self.assert_ends(signing, EXIT_PERSON)
        for process in [agent.process, *agent.hosts()]:
            for pin in (PIN, WRONG_PIN):
                self.assertEqual(self.scanned(process, pin), [])


class VerifyTest(AgentTest):
    """`signet verify` with several signatures and documents at once."""

    def setUp(self):
        super().setUp()
        self.agent_here = self.agent()
        self.documents_here = [self.folder / name for name in ("Factură 1 (50%).pdf", "b&b.pdf", "third.pdf")]
        for number, file in enumerate(self.documents_here):
            file.write_text(f"document {number}", encoding="utf-8")
        signing = self.sign(self.agent_here, self.documents_here)
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.signatures = [self.out / f"{file.name}.xades.xml" for file in self.documents_here]

    def verified(self, code, signatures, contents, *words):
        """The indications, in the order of the signatures, and what of the contents none of them is over."""
        for content in contents:
            words += ("--content", content)
        command = self.agent_here.command("--json", "verify", "--trust", self.pki, *signatures, *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        said = json.loads(done.stdout)
        indications = [" ".join((row["indication"], row["sub_indication"])).strip() for row in said["signatures"]]
        return indications, said["not_signed"]

    def test_each_signature_finds_its_document(self):
        """each of several signatures is verified with its own document, in whatever order they are given"""
        passed = ["TOTAL-PASSED"] * 3
        self.assertEqual(self.verified(0, self.signatures, self.documents_here), (passed, []))
        self.assertEqual(self.verified(0, self.signatures, reversed(self.documents_here)), (passed, []))
        renamed = self.documents_here[0].rename(self.folder / "renamed.pdf")
        self.assertEqual(self.verified(0, self.signatures, [renamed, *self.documents_here[1:]]), (passed, []))

    def test_what_none_is_over_is_told(self):
        """a document that no signature is over is told, and the exit code says it; the signatures are as they are"""
        self.assertEqual(
            self.verified(2, self.signatures[:2], self.documents_here),
            (["TOTAL-PASSED"] * 2, [str(self.documents_here[2])]),
        )
        command = self.agent_here.command("verify", "--trust", self.pki, *self.signatures[:2])
        for document in self.documents_here:
            command += ["--content", document]
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
        self.assertIn(f"{self.documents_here[2]}: none of the signatures is over this document", said)

    def test_a_changed_document(self):
        """a document that was changed fails the signature that names it, and no other"""
        self.documents_here[1].write_text("something else", encoding="utf-8")
        failed = ["TOTAL-PASSED", "TOTAL-FAILED HASH_FAILURE", "TOTAL-PASSED"]
        self.assertEqual(self.verified(1, self.signatures, self.documents_here), (failed, []))

    def test_a_document_that_is_not_given(self):
        """a signature whose document is not given is not compared with another's"""
        missing = ["TOTAL-PASSED", "INDETERMINATE SIGNED_DATA_NOT_FOUND"]
        self.assertEqual(self.verified(2, self.signatures[:2], self.documents_here[:1]), (missing, []))

    def test_one_of_each(self):
        """one signature and one document are compared whatever the document is called"""
        renamed = self.documents_here[0].rename(self.folder / "renamed.pdf")
        self.assertEqual(self.verified(0, self.signatures[:1], [renamed]), (["TOTAL-PASSED"], []))
        failed = ["TOTAL-FAILED HASH_FAILURE"]
        self.assertEqual(self.verified(1, self.signatures[:1], [self.documents_here[1]]), (failed, []))


if __name__ == "__main__":
    agent_case.main(__doc__)
