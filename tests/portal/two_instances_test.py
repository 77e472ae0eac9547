#!/usr/bin/python3
"""Two portals on one PostgreSQL under load, one of them killed ten times: no request is lost, none is signed twice, none is stuck.

usage: with_postgresql.sh two_instances_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import collections
import contextlib
import http.client
import multiprocessing
import os
import pathlib
import random
import re
import sys
import tempfile
import threading
import unittest
import urllib.error

from portal_bench import Portal, SignPage, cannot_run, until
from wire_case import content, digest, envelope, get_body, post_body

CLIENTS = 3
KILLS = 10
DONE_BETWEEN = 5  # requests that are signed while one is dead, and again while both live
TEXTS = ("a", "b")
TRIES = 8  # with one instance dead, half of them fail
CLAIM_LASTS_S = 30  # of a page that was at an instance that died
ENDED = (OSError, http.client.HTTPException, urllib.error.URLError)  # what a client sees of a server that is killed


class Caller:
    """The e-service and its people: each call goes to either instance, and to the other one where that is dead."""

    def __init__(self, portals, consumer):
        self.portals = portals
        self.contexts = {portal: portal.client_context(*consumer) for portal in portals}

    def soap(self, body, portal=None):
        """The answer, or None if there was none."""
        portal = portal or random.choice(self.portals)
        try:
            status, text = portal.soap(envelope(body), self.contexts[portal])
        except ENDED:
            return None
        return text if status == 200 else None

    def post(self):
        text = self.soap(post_body(*(content(digest(one), correlation_id=one) for one in TEXTS)))
        return re.search("<PostSignRequestResult>([0-9a-f]{32})<", text).group(1) if text else None

    def results(self, request_id, portal=None):
        """(status, {CorrelationID: signature}), or None if there was no answer."""
        text = self.soap(get_body(request_id), portal)
        if text is None:
            return None
        found = re.findall("<CorrelationID>([^<]*)</CorrelationID><Signature>([^<]*)<", text)
        if len(found) != len(dict(found)):
            raise AssertionError(f"two results of one content in {request_id}")
        return re.search("<Status>([A-Za-z]+)<", text).group(1), dict(found)

    def call(self, page, name, **parameters):
        """As a page does that lost its connection: asks again, and is answered by whichever instance lives."""
        for _ in range(TRIES):
            page.portal = random.choice(self.portals)
            with contextlib.suppress(*ENDED):
                return page.call(name, **parameters)
        return 0, {}

    def open(self, request_id, key):
        for _ in range(TRIES):
            with contextlib.suppress(*ENDED):
                page = SignPage(random.choice(self.portals), request_id)
                page.key = key
                return page
        return None

    def sign(self, request_id, key):
        """As one tab: whether it was told that all is signed."""
        page = self.open(request_id, key)
        if page is None or page.data["page"] != "sign" or self.call(page, "claim", instrument="sandbox")[0] != 200:
            return False
        status, answer = self.call(page, "sandbox", action="sign")
        return status == 200 and answer.get("status") == "success"


def client(caller, stop, told):
    """Posts and signs until it is told to stop; puts what it was told into the queue."""
    random.seed(os.getpid())
    while not stop.is_set():
        request_id = caller.post()
        if request_id is None:
            continue
        told.put(("posted", request_id, None))
        # Two tabs at once: at most one of them may sign.
        outcomes = []
        tabs = [threading.Thread(target=lambda: outcomes.append(caller.sign(request_id, os.urandom(16).hex()))) for _ in range(2)]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()
        if True in outcomes:
            told.put(("signed", request_id, None))
        fetched = caller.results(request_id)
        if fetched and fetched[0] == "Success":
            told.put(("fetched", request_id, fetched[1]))


class TwoInstancesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        self.addCleanup(folder.cleanup)
        first = Portal(self.bin, pathlib.Path(folder.name) / "first")
        second = Portal(self.bin, pathlib.Path(folder.name) / "second", database=first.database, beside=first)
        self.portals = (first, second)
        self.consumer = first.add_consumer("shop")
        for portal in self.portals:
            portal.start()
            self.addCleanup(lambda one=portal: one.process.poll() is None and one.stop())
        self.told = collections.defaultdict(dict)  # what: {request: its results}
        self.queue = multiprocessing.Queue()
        self.caller = Caller(self.portals, self.consumer)

    def read_queue(self):
        while not self.queue.empty():
            what, request_id, results = self.queue.get()
            before = self.told[what].setdefault(request_id, results)
            self.assertEqual(before, results)

    def more_signed(self):
        before = len(self.told["signed"])

        def enough():
            self.read_queue()
            return len(self.told["signed"]) >= before + DONE_BETWEEN

        until(enough, "requests are posted and signed", within_s=60)

    def under_load(self, work):
        stop = multiprocessing.Event()
        clients = [multiprocessing.Process(target=client, args=(Caller(self.portals, self.consumer), stop, self.queue)) for _ in range(CLIENTS)]
        for one in clients:
            one.start()
        try:
            work()
        finally:
            stop.set()
            # A process ends only once its words have been read.
            until(lambda: (self.read_queue(), not any(one.is_alive() for one in clients))[1], "the clients end", within_s=60)
        self.assertEqual([one.exitcode for one in clients], [0] * CLIENTS)
        self.read_queue()

    def kill_by_turns(self):
        self.more_signed()
        for number in range(KILLS):
            dead = self.portals[number % 2]
            dead.kill()
            self.more_signed()
            dead.start()
            self.more_signed()

    def test_killing_an_instance_under_load_loses_nothing(self):
        """what was acknowledged is there at both instances afterwards, signatures as they were first fetched, and what was interrupted can be signed"""
        self.under_load(self.kill_by_turns)
        posted, signed, fetched = (self.told[what] for what in ("posted", "signed", "fetched"))
        self.assertGreaterEqual(len(signed), 2 * KILLS * DONE_BETWEEN)
        self.assertLessEqual(set(signed), set(posted))
        for request_id in posted:
            at_both = [self.caller.results(request_id, portal) for portal in self.portals]
            self.assertIsNotNone(at_both[0], f"{request_id} is lost")
            self.assertEqual(at_both[0], at_both[1])
            status, results = at_both[0]
            if request_id in signed or request_id in fetched:
                self.assertEqual((status, set(results)), ("Success", set(TEXTS)))
            if request_id in fetched:
                self.assertEqual(results, fetched[request_id], "signed a second time")
        interrupted = [request_id for request_id in posted if self.caller.results(request_id)[0] != "Success"]
        print(f"{len(posted)} posted, {len(signed)} signed while {KILLS} times one was killed; {len(interrupted)} interrupted", file=sys.stderr)
        for request_id in interrupted:
            key = os.urandom(16).hex()
            until(lambda one=request_id, by=key: self.caller.sign(one, by) or self.caller.results(one)[0] == "Success", f"{request_id} can be signed", within_s=CLAIM_LASTS_S + 30)
            self.assertEqual(set(self.caller.results(request_id)[1]), set(TEXTS))


    def test_what_one_instance_is_told_the_other_knows(self):
        """a page of one instance is signed at the other, two of them race and one wins, and a change of the register counts at both"""
        first, second = self.portals
        request_id = self.caller.post()
        page = SignPage(first, request_id)
        page.portal = second
        self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
        rivals = [SignPage(portal, request_id) for portal in self.portals]
        self.assertEqual([(rival.data["held"], rival.call("claim", instrument="sandbox")[1]["error"]["code"]) for rival in rivals], [(True, "held")] * 2)
        self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")
        self.assertEqual([rival.call("state")[1]["status"] for rival in rivals], ["success"] * 2)
        self.assertEqual([self.caller.results(request_id, portal)[0] for portal in self.portals], ["Success"] * 2)
        for word, answered in (("deactivate", False), ("activate", True)):
            first.command("consumer", word, "shop")
            until(lambda: all((self.caller.soap(get_body(request_id), portal) is not None) == answered for portal in self.portals), f"{word} counts at both", within_s=10)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.environ.get("SIGNET_TEST_DATABASE") != "postgresql":
        cannot_run("no PostgreSQL: run it by with_postgresql.sh")
    TwoInstancesTest.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
