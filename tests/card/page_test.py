#!/usr/bin/python3
"""signetd with pages and commands that come, go, and get in each other's way, and with a disk that fills up; a card behind
pcscd and OpenSC, and the dialog that people see.

usage: page_test.py FOLDER-OF-SIGNETD [unittest's arguments]

SIGNET_SCREENSHOTS=FOLDER keeps pictures of the dialogs.

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import errno
import hashlib
import json
import os
import re
import signal
import socket
import subprocess

import agent_case
from agent_bench import HANGING_WITHIN_S, PIN, Page, Refused, until
from agent_case import EXIT_DONE, EXIT_MACHINE, AgentTest


class PageTest(AgentTest):
    def names(self, count):
        return [f"invoice-{number:02}.pdf" for number in range(1, count + 1)]

    def begin(self, client, count):
        return client.begin(self.names(count), certificate=self.certificate)

    def assert_refused(self, code, client, number):
        with self.assertRaises(Refused) as refused:
            client.answer(number)
        self.assertEqual(refused.exception.code, code)

    def complete(self, client, batch):
        """Reads on until the batch is complete, acknowledging nothing."""
        return client.reaches(batch, "complete")

    def signed_in(self, journal):
        """How often the journal says that each hash was signed."""
        counts = {}
        for items in re.findall(r"^\d+ \S+ signed .*?\bitems=(\S+)", journal.read_text(), re.M):
            for item in items.split(","):
                counts[item] = counts.get(item, 0) + 1
        return counts


class DiskTest(PageTest):
    """The journal on a disk of 3 MiB, of which it wants one to be free."""

    FREE_FOR_JOURNAL = 1 << 20

    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "--no-mtab", "-t", "tmpfs", "-o", "size=3m", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.journal = self.disk / "journal"

    def fill(self, leave=0):
        """Takes the disk's room but for so many bytes."""
        with (self.disk / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    about = os.statvfs(self.disk)
                    room = about.f_bavail * about.f_frsize - leave
                    if room <= 0:
                        break
                    filler.write(bytes(min(room, 1 << 16)))
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)

    def free(self):
        (self.disk / "filler").unlink()

    def assert_nobody_was_asked(self):
        self.assertEqual(self.display.dialogs(), [])
        self.assert_card(signatures=0, verify=0, verify_failed=0)

    def test_a_full_disk_is_told_before_the_pin(self):
        """without room for the journal `signet sign` says so: no dialog, no PIN, no signature; with room it signs"""
        agent = self.agent(journal=self.journal)
        for leave in (0, self.FREE_FOR_JOURNAL // 2):
            self.fill(leave)
            self.assert_ends(self.sign(agent, self.documents(3)), EXIT_MACHINE, "disk_full", "The disk is full")
            self.assert_nobody_was_asked()
            self.assertEqual(self.written(), [])
            self.free()
        signing = self.sign(agent, self.documents(3))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assert_good(agent)

    def test_the_batch_of_a_page_waits_for_room(self):
        """without room a page's batch is not begun, and nobody is asked; the same batch signs once there is room"""
        agent = self.agent(journal=self.journal)
        page = agent.page()
        self.addCleanup(page.close)
        batch = self.begin(page, 3)
        self.fill(leave=self.FREE_FOR_JOURNAL // 2)
        for _ in range(2):
            self.assert_refused("disk_full", page, page.commit(batch, 3))
            self.assert_nobody_was_asked()
        self.free()
        committed = page.commit(batch, 3)
        self.display.dialog().type_pin(PIN)
        self.assertEqual(page.answer(committed)["state"], "running")
        self.complete(page, batch)
        self.assertEqual(sorted(page.results(batch)), self.names(3))
        self.assert_card(signatures=3, verify=4, verify_failed=0)

    def test_the_disk_fills_up_in_the_middle(self):
        """a disk that fills up in the middle pauses the batch; resumed with room, each item is signed and delivered once"""
        agent = self.agent(journal=self.journal)
        page = agent.page()
        self.addCleanup(page.close)
        self.card.tell("delay 50")
        batch = self.begin(page, 40)
        committed = page.commit(batch, 40)
        self.display.dialog().type_pin(PIN)
        page.answer(committed)
        until(lambda: self.card.counted["signatures"] >= 5, "some are signed")
        self.fill()
        paused = page.reaches(batch, "paused")
        self.assertEqual(paused["error"]["code"], "disk_full")
        signed = self.card.counted["signatures"]
        self.assertLess(signed, 40)
        until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped")
        delivered = page.results(batch)
        journaled = self.signed_in(self.journal)
        self.assertEqual(len(delivered), len(journaled), "what is not on record is not given out")

        verified = self.card.counted["verify"]
        with self.assertRaises(Refused) as refused:
            page.call("batch.resume", batch=batch)
        self.assertEqual(refused.exception.code, "disk_full")
        self.assertEqual(self.display.dialogs(), [])
        self.assertEqual(self.card.counted["verify"], verified)

        self.free()
        resumed = page.ask("batch.resume", batch=batch)
        self.display.dialog().type_pin(PIN)
        page.answer(resumed)
        self.complete(page, batch)
        results = page.results(batch)
        self.assertEqual(sorted(results), self.names(40))
        self.assertTrue(all(len(made) == 1 and made[0]["signature"] for made in results.values()))
        self.assertEqual(self.card.counted["signatures"], 40, "nothing that was made is made again")
        self.assertEqual(self.card.counted["verify_failed"], 0)
        self.assertEqual(set(self.signed_in(self.journal).values()), {1})
        self.assertEqual(len(self.signed_in(self.journal)), 40)
        self.assertTrue(agent.query("journal", "verify")["intact"])

    def test_the_disk_fills_up_under_a_command(self):
        """`signet sign` on a disk that fills up in the middle writes what is on record, and says why it stopped"""
        agent = self.agent(journal=self.journal)
        self.card.tell("delay 50")
        documents = self.documents(40)
        signing = self.sign(agent, documents)
        self.display.dialog(signing).type_pin(PIN)
        until(lambda: self.card.counted["signatures"] >= 5, "some are signed")
        self.fill()
        self.assert_ends(signing, EXIT_MACHINE, "disk_full")
        written = self.written()
        self.assertIn(f"{len(written)} of 40 signatures were written", signing.said)
        self.assertEqual(len(written), len(self.signed_in(self.journal)))
        self.free()
        self.card.tell("delay 0")
        missing = [file for file in documents if not (self.out / f"{file.name}.xades.xml").exists()]
        signing = self.sign(agent, missing)
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assertEqual(len(self.written()), 40)
        self.assert_good(agent)


class RemovalTest(PageTest):
    def test_a_batch_resumes_after_the_card_was_pulled(self):
        """the card pulled in the middle of a page's batch: it pauses; put back, it resumes with the PIN alone, and each item
        is signed and delivered once"""
        agent = self.agent()
        page = agent.page()
        self.addCleanup(page.close)
        self.card.tell("delay 50")
        batch = self.begin(page, 40)
        committed = page.commit(batch, 40)
        self.display.dialog().type_pin(PIN)
        page.answer(committed)
        until(lambda: self.card.counted["signatures"] >= 8, "some are signed")
        self.card.pull()
        # A host that OpenSC lets hang is given up in its time; what is told is the removal all the same.
        paused = page.reaches(batch, "paused", within_s=HANGING_WITHIN_S)
        self.assertEqual(paused["error"]["code"], "token_removed")
        self.assertLess(paused["signed"], 40)
        until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped")
        self.assert_refused("token_removed", page, page.ask("batch.resume", batch=batch))
        self.assertEqual(self.display.dialogs(), [])

        self.card.tell("insert")
        until(lambda: agent.query("tokens").get("tokens"), "the agent sees the card again")
        resumed = page.ask("batch.resume", batch=batch)
        self.display.dialog().type_pin(PIN)
        page.answer(resumed)
        self.complete(page, batch)
        results = page.results(batch)
        self.assertEqual(sorted(results), self.names(40))
        self.assertTrue(all(len(made) == 1 and made[0]["signature"] for made in results.values()))
        journaled = self.signed_in(agent.journal)
        self.assertEqual((len(journaled), set(journaled.values())), (40, {1}))
        self.assertEqual(agent.journal.read_text().count(" consent "), 1)
        # A signature that was on its way out of the card when it was pulled may be lost to us; no other is made again.
        self.assertLessEqual(self.card.counted["signatures"], 41)
        self.assertEqual(self.card.counted["verify_failed"], 0)

    def test_a_pin_kept_for_the_session_goes_with_the_card(self):
        """scope "session": the card pulled while nothing runs takes the PIN along, and the host that had it is ended"""
        agent = self.agent(scope="session")
        page = agent.page()
        self.addCleanup(page.close)
        batch = self.begin(page, 2)
        committed = page.commit(batch, 2)
        self.display.dialog().type_pin(PIN)
        page.answer(committed)
        self.complete(page, batch)
        self.assertEqual(agent.status()["pins_kept"], 1)
        hosts = agent.hosts()
        self.card.pull()
        until(lambda: agent.status()["pins_kept"] == 0, "the PIN is wiped")
        until(lambda: not set(hosts) & set(agent.hosts()), "the host is ended")
        self.card.tell("insert")


class ResumeTest(PageTest):
    """A page's batch of 40 that is cut in its middle, more than once; each item is signed and delivered once."""

    COUNT = 40
    # A host sends what it has made each quarter of a second: so many signatures at most die with it, and the one that it is at.
    LOST = 6

    def setUp(self):
        super().setUp()
        self.agent_cut = self.agent(recorded=True)
        self.page = self.agent_cut.page()
        self.addCleanup(lambda: self.page.close())
        self.card.tell("delay 50")
        self.batch = self.begin(self.page, self.COUNT)
        committed = self.page.commit(self.batch, self.COUNT)
        self.display.dialog().type_pin(PIN)
        self.page.answer(committed)

    def cut(self, how, times=3):
        for number in range(1, times + 1):
            until(lambda: self.card.counted["signatures"] >= 8 * number, "some are signed")
            how()

    def assert_complete(self, results, lost):
        """`lost`: how many signatures at most the card made that never came to the agent."""
        self.assertEqual(sorted(results), self.names(self.COUNT))
        self.assertTrue(all(len(made) == 1 and made[0]["signature"] for made in results.values()))
        journaled = self.signed_in(self.agent_cut.journal)
        self.assertEqual((len(journaled), set(journaled.values())), (self.COUNT, {1}))
        self.assertEqual(self.agent_cut.journal.read_text().count(" consent "), 1)
        self.assertGreaterEqual(self.card.counted["signatures"], self.COUNT)
        self.assertLessEqual(self.card.counted["signatures"], self.COUNT + lost)
        self.assertEqual(self.card.counted["verify_failed"], 0)
        self.assertEqual(self.agent_cut.told.count("GETPIN"), 1, "the PIN is kept, nobody is asked again")

    def starts(self):
        return self.agent_cut.status()["modules"][0]["starts"]

    def test_signet_restart(self):
        """the agent's own restart of the host in the middle of a batch: it goes on with the PIN that it has"""
        before = self.starts()
        self.cut(lambda: self.assertNotIn("error", self.agent_cut.query("restart", "module")))
        self.complete(self.page, self.batch)
        self.assertGreaterEqual(self.starts(), before + 3)
        self.assert_complete(self.page.results(self.batch), lost=3 * self.LOST)

    def test_the_host_crashes(self):
        """a host that crashes in the middle of a batch is started again, and the batch goes on"""
        before = self.starts()
        self.cut(lambda: os.kill(*self.agent_cut.hosts(), signal.SIGKILL), times=2)
        self.complete(self.page, self.batch)
        self.assertGreaterEqual(self.starts(), before + 2)  # and one, perhaps, to list the tokens afterwards
        self.assert_complete(self.page.results(self.batch), lost=2 * self.LOST)

    def test_the_page_is_loaded_again(self):
        """a page that is loaded again in the middle of its batch finds it, and is given every result"""

        def load_again():
            self.page.close()
            until(lambda: self.agent_cut.status()["connections"] == 1, "the agent has seen it")  # who asks for the status
            self.page = self.agent_cut.page()
            self.assertIn(self.page.call("batch.resume", batch=self.batch)["state"], ("running", "complete"))

        self.cut(load_again)
        self.complete(self.page, self.batch)
        self.assert_complete(self.page.results(self.batch), lost=0)


class TimeoutTest(PageTest):
    def test_a_dialog_that_timed_out_may_be_asked_for_again(self):
        """a dialog that nobody answers ends by itself: nothing is signed, and the same batch signs when it is asked again"""
        agent = self.agent(timeout_s=5)
        page = agent.page()
        self.addCleanup(page.close)
        batch = self.begin(page, 2)
        committed = page.commit(batch, 2)
        self.display.dialog().gone()
        self.assert_refused("user_cancelled", page, committed)
        self.assert_card(signatures=0, verify=0, verify_failed=0)
        committed = page.commit(batch, 2)
        self.display.dialog().type_pin(PIN)
        page.answer(committed)
        self.complete(page, batch)
        self.assertEqual(sorted(page.results(batch)), self.names(2))


class TwoBatchesTest(PageTest):
    """Two batches of one origin: the dialog of the first is open, the second waits for its turn."""

    def setUp(self):
        super().setUp()
        self.agent_of_both = self.agent()
        self.page = self.agent_of_both.page()
        self.addCleanup(self.page.close)
        self.first, self.second = self.begin(self.page, 2), self.begin(self.page, 3)
        self.first_committed = self.page.commit(self.first, 2)
        self.dialog = self.display.dialog()
        self.second_committed = self.page.commit(self.second, 3)

    def test_cancelling_the_one_that_waits(self):
        """cancelling the batch that waits leaves the open dialog of the other alone; its own never opens"""
        self.page.call("batch.cancel", batch=self.second)
        self.assertEqual(self.display.dialogs(), [self.dialog.process])
        self.dialog.type_pin(PIN)
        self.assertEqual(self.page.answer(self.first_committed)["state"], "running")
        self.complete(self.page, self.first)
        self.assert_refused("user_cancelled", self.page, self.second_committed)
        self.assertEqual(self.display.dialogs(), [])
        self.assertEqual(self.page.results(self.second), {})
        self.assert_card(signatures=2, verify=3, verify_failed=0)

    def test_cancelling_the_one_that_asks(self):
        """cancelling the batch that asks closes its dialog, and the other one's opens and signs"""
        self.page.call("batch.cancel", batch=self.first)
        self.dialog.gone(within_s=5)
        self.assert_refused("user_cancelled", self.page, self.first_committed)
        self.display.dialog().type_pin(PIN)
        self.assertEqual(self.page.answer(self.second_committed)["state"], "running")
        self.complete(self.page, self.second)
        self.assert_card(signatures=3, verify=4, verify_failed=0)

    def test_closing_the_one_that_waits(self):
        """so does closing"""
        self.page.call("batch.close", batch=self.second)
        self.dialog.type_pin(PIN)
        self.assertEqual(self.page.answer(self.first_committed)["state"], "running")
        self.complete(self.page, self.first)


class BadInputTest(PageTest):
    """What a page gets for input that is no good: its documented code, and nobody is asked, nothing signed, nothing journaled."""

    def setUp(self):
        super().setUp()
        self.agent_asked = self.agent()
        self.page = self.agent_asked.page()
        self.addCleanup(self.page.close)

    def batch(self):
        return self.page.call("batch.begin", purpose="a test", certificate=self.certificate)["batch"]

    def item(self, number=0, **other):
        digest = base64.b64encode(hashlib.sha256(b"%d" % number).digest()).decode()
        return {"id": str(number), "name": f"{number}.pdf", "digest": digest, **other}

    def refused(self, code, method, **params):
        self.assert_refused(code, self.page, self.page.ask(method, **params))

    def assert_untouched(self):
        self.assertEqual(self.display.dialogs(), [])
        self.assert_card(signatures=0, verify=0, verify_failed=0)
        self.assertNotRegex(self.agent_asked.journal.read_text(), " (consent|signed) ")

    def assert_still_signs(self):
        """The same agent and page sign what is right: nothing above was refused because nothing works."""
        batch = self.begin(self.page, 2)
        committed = self.page.commit(batch, 2)
        self.display.dialog().type_pin(PIN)
        self.page.answer(committed)
        self.complete(self.page, batch)
        self.assertEqual(sorted(self.page.results(batch)), self.names(2))

    def test_items_that_are_no_good(self):
        """digests of a wrong length, unknown algorithms, ids that are there already, parts out of order, too many items"""
        for code, item in (
            ("digest_length", {"digest": base64.b64encode(bytes(31)).decode()}),
            ("digest_length", {"alg": "sha512"}),
            ("parameter_invalid", {"digest": "not base64!"}),
            ("algorithm_unknown", {"alg": "md5"}),
            ("parameter_invalid", {"id": ""}),
            ("parameter_invalid", {"name": "n" * 257}),
        ):
            with self.subTest(code, item=item):
                batch = self.batch()
                self.refused(code, "batch.items", batch=batch, part=0, items=[self.item(**item)])
                self.refused("batch_empty", "batch.commit", batch=batch, items=0)
                self.page.call("batch.close", batch=batch)
        batch = self.batch()
        self.refused("id_duplicate", "batch.items", batch=batch, part=0, items=[self.item(1), self.item(1)])
        self.refused("part_out_of_order", "batch.items", batch=batch, part=1, items=[self.item(1)])
        self.refused("batch_too_large", "batch.items", batch=batch, part=0, items=[self.item(i) for i in range(5_001)])
        self.page.call("batch.items", batch=batch, part=0, items=[self.item(1)])
        self.refused("part_out_of_order", "batch.items", batch=batch, part=0, items=[self.item(2)])
        self.refused("id_duplicate", "batch.items", batch=batch, part=1, items=[self.item(1)])
        self.refused("parameter_invalid", "batch.commit", batch=batch, items=2)
        self.page.call("batch.close", batch=batch)
        self.refused("batch_unknown", "batch.commit", batch=batch, items=1)
        self.refused("method_unknown", "batch.sign_everything")
        self.assert_untouched()
        self.assert_still_signs()

    def test_more_than_a_batch_holds(self):
        """the 100 001st item"""
        batch = self.batch()
        for part in range(20):
            self.page.call("batch.items", batch=batch, part=part, items=[self.item(part * 5_000 + i) for i in range(5_000)])
        self.refused("batch_too_large", "batch.items", batch=batch, part=20, items=[self.item(100_000)])
        self.page.call("batch.close", batch=batch)
        self.assert_untouched()
        self.assert_still_signs()

    def test_messages_that_are_none(self):
        """no JSON, no UTF-8, more than a message may be: the connection ends; the agent serves the next one"""
        for message in (b"{", b"[]", b"\x00", b'{"id":1,"method":"batch.begin"}' * 2, b'{"id":1,"method":"\xff\xfe"}'):
            with self.subTest(message):
                page = self.agent_asked.page()
                page.send_bytes(message)
                with self.assertRaises((EOFError, Refused)) as refused:
                    self.ended(page)
                if isinstance(refused.exception, Refused):
                    self.assertEqual(refused.exception.code, "message_invalid")
                page.close()
        page = self.agent_asked.page()
        with self.assertRaises((EOFError, OSError)):
            page._send(" " * ((4 << 20) + 1))
            self.ended(page)
        page.close()
        self.assert_untouched()
        self.assert_still_signs()

    def ended(self, page):
        """Reads to the end, or to an answer that refuses."""
        while True:
            message = json.loads(page._receive())
            if "error" in message:
                raise Refused(message["error"])

    def test_who_may_not_ask(self):
        """an origin that is not allowed, none, a foreign Host: refused before anything is read"""
        port = self.agent_asked.status()["port"]
        for host, origin in ((f"127.0.0.1:{port}", "https://stranger.example"), (f"127.0.0.1:{port}", "null"), (f"127.0.0.1:{port}", None), (f"evil.example:{port}", Page.ORIGIN)):
            with self.subTest(host, origin=origin), socket.create_connection(("127.0.0.1", port), 15) as connection:
                connection.sendall(
                    f"GET /v1 HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Protocol: signet.v1\r\n".encode()
                    + (f"Origin: {origin}\r\n".encode() if origin else b"") + b"\r\n"
                )
                got = b""
                while not re.search(rb"HTTP/1.1 403 |origin_refused|host_refused", got):
                    chunk = connection.recv(65_536)
                    self.assertTrue(chunk, f"the end without a reason: {got}")
                    got += chunk
        self.assert_untouched()
        self.assert_still_signs()


class ProgressTest(PageTest):
    def test_the_remaining_time_is_told_and_shrinks(self):
        """a batch of 40 at 100 ms each: its page hears how many seconds remain, first some, in the end none"""
        agent = self.agent()
        page = agent.page()
        self.addCleanup(page.close)
        self.card.tell("delay 100")
        batch = self.begin(page, 40)
        committed = page.commit(batch, 40)
        self.display.dialog().type_pin(PIN)
        page.answer(committed)
        self.complete(page, batch)
        told = [event["params"]["remaining_s"] for event in page.events if event["event"] == "batch.progress" and "remaining_s" in event["params"]]
        self.assertGreaterEqual(len(told), 5)
        self.assertGreaterEqual(max(told), 2)
        self.assertLess(told[-1], max(told))


class LeavingTest(PageTest):
    def test_a_killed_command_takes_its_dialog_along(self):
        """the dialog of a `signet sign` that was killed closes at once, and such batches do not add up"""
        agent = self.agent()
        for _ in range(9):
            signing = self.sign(agent, self.documents(2))
            dialog = self.display.dialog(signing)
            signing.kill()
            dialog.gone(within_s=5)
        self.assert_card(signatures=0, verify=0, verify_failed=0)
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)

    def test_a_killed_command_stops_signing(self):
        """a `signet sign` that is killed while the card signs: the signature in flight ends, and no other begins"""
        agent = self.agent()
        self.card.tell("delay 100")
        signing = self.sign(agent, self.documents(60))
        self.display.dialog(signing).type_pin(PIN)
        until(lambda: self.written(), "the first is written")
        signing.kill()
        until(lambda: agent.status()["running"] == 0, "the batch has ended", within_s=5)
        self.assertLess(self.card.counted["signatures"], 30)
        self.assertEqual(agent.status()["pins_kept"], 0)
        self.assertRegex(agent.journal.read_text(), r"(?m) cancelled origin=command-line ")

    def test_a_killed_command_that_waited(self):
        """killed while another one's dialog is open, it takes nothing but its own place in the queue along"""
        agent = self.agent()
        first = self.sign(agent, self.documents(2))
        dialog = self.display.dialog(first)
        second = self.sign(agent, self.documents(2))
        until(lambda: agent.status()["batches"] == 2, "both have begun")
        second.kill()
        until(lambda: agent.status()["connections"] == 2, "the agent has seen it")  # the first, and who asks for the status
        self.assertEqual(self.display.dialogs(), [dialog.process])
        dialog.type_pin(PIN)
        self.assert_ends(first, EXIT_DONE)
        until(lambda: agent.status()["running"] == 0, "the batch has ended")
        self.assertEqual(self.display.dialogs(), [])
        self.assert_card(signatures=2, verify=3, verify_failed=0)

    def test_a_choice_of_a_command_that_left(self):
        """a program at the control socket that asked for a choice and left: its dialog closes"""
        agent = self.agent()
        control = agent.control()
        control.ask("certificate.choose", again=True)
        dialog = self.display.dialog()
        control.close()
        dialog.gone(within_s=5)

    def test_a_page_that_reloads_keeps_its_dialog(self):
        """a page that is gone for a moment finds its dialog open, and the results of what was consented to there"""
        agent = self.agent()
        page = agent.page()
        batch = self.begin(page, 3)
        page.commit(batch, 3)
        dialog = self.display.dialog()
        page.close()
        until(lambda: agent.status()["connections"] == 1, "the agent has seen it")  # who asks for the status
        self.assertEqual(self.display.dialogs(), [dialog.process])
        page = agent.page()
        self.addCleanup(page.close)
        self.assertEqual(page.call("batch.resume", batch=batch)["state"], "waiting")
        self.assertEqual(self.display.dialogs(), [dialog.process])
        dialog.type_pin(PIN)
        self.complete(page, batch)
        self.assertEqual(sorted(page.results(batch)), self.names(3))


if __name__ == "__main__":
    agent_case.main(__doc__)
