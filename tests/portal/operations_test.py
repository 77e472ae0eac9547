#!/usr/bin/python3
"""What those who run the portal see of it: health, readiness, metrics, logs, `requests`, and how it stops.

usage: operations_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Within with_postgresql.sh with a portal on PostgreSQL, else without what needs one. Exit code 77 (1 where CI=true) when this machine
cannot run it.
"""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

from counts import counts
from portal_bench import ON_POSTGRESQL, RETURN_URL, WITHIN_S, Portal, SignPage, until
from wire_case import IDNP, content, digest, envelope, fault_of, get_body, make_certificate, post_body, signer, verify_body

RESTART = os.environ.get("SIGNET_TEST_RESTART")
LINE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d (info|warning|error) [a-z_]+( [a-z_]+=("[^"]*"|[^" =]+))*')
FAULTS = {"AuthenticationFailed", "AuthorizationFailed", "InvalidParameter", "RequestNotFound", "Client", "MustUnderstand", "VersionMismatch", "Server"}
OPERATIONS = {"none", "PostSignRequest", "GetSignResponse", "VerifySignatures"}
STATUSES = {"pending", "success", "failure", "expired", "unknown", "failed"}
GAUGES = {"signet_portal_api_connections", "signet_portal_page_connections", "signet_portal_consumers"}


class OperationsCase(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.portal = cls.make("portal")
        cls.shop, cls.other = (cls.portal.add_consumer(name) for name in ("shop", "other"))
        cls.portal.start()
        cls.addClassCleanup(lambda: cls.portal.stop())

    @classmethod
    def make(cls, name, first="", more=""):
        """A portal with a database of its own, not started. `first` is added before the tables of its configuration."""
        portal = Portal(cls.bin, cls.folder / name, more=more)
        portal.configuration.write_text(first + portal.configuration.read_text())
        return portal

    def call(self, body, consumer="shop", portal=None, **more):
        portal = portal or self.portal
        consumer = self.shop if consumer == "shop" else consumer
        return portal.soap(body if isinstance(body, bytes) else envelope(body), portal.client_context(*(consumer or ())), **more)

    def fault(self, *arguments, **named):
        status, text = self.call(*arguments, **named)
        self.assertEqual(status, 500, text)
        return fault_of(text)[0]

    def post(self, *arguments, **named):
        status, text = self.call(post_body(*arguments), **named)
        self.assertEqual(status, 200, text)
        return re.search("<PostSignRequestResult>(.*?)</PostSignRequestResult>", text).group(1)

    def signed(self, request_id):
        """The signatures, in base64, after the sandbox has signed."""
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("sandbox", action="sign", idnp=IDNP)[1]["status"], "success")
        return re.findall("<Signature>(.*?)</Signature>", self.call(get_body(request_id))[1])


class HealthTest(OperationsCase):
    def test_what_there_is(self):
        """/health, /ready and /metrics by GET and HEAD; nothing else, and none of them at the listeners for the world"""
        self.assertEqual([self.portal.operations(path) for path in ("/health", "/ready", "/ready?x=y")], [(200, "ok\n"), (200, "ready\n"), (200, "ready\n")])
        connection = http.client.HTTPConnection("127.0.0.1", self.portal.operations_port, timeout=WITHIN_S)
        self.addCleanup(connection.close)
        for method, path, status in (
            ("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("DELETE", "/health", 405), ("GET", "/", 404), ("GET", "/metrics/", 404), ("GET", "/verify", 404),
            ("GET", "/MSign.svc?wsdl", 404), ("GET", "/..%2fetc%2fpasswd", 404),
        ):
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual((answer.status, answer.headers["Cache-Control"]), (status, "no-store"), (method, path))
            self.assertEqual(body == b"", method == "HEAD" or status == 405)
        pages = http.client.HTTPConnection("127.0.0.1", self.portal.page_port, timeout=WITHIN_S)
        api = http.client.HTTPSConnection("localhost", self.portal.api_port, timeout=WITHIN_S, context=self.portal.client_context(*self.shop))
        for world in (pages, api):
            self.addCleanup(world.close)
            for path in ("/health", "/ready", "/metrics"):
                world.request("GET", path)
                answer = world.getresponse()
                answer.read()
                self.assertEqual(answer.status, 404)

    @unittest.skipUnless(ON_POSTGRESQL, "no PostgreSQL (with_postgresql.sh)")
    def test_readiness_follows_the_database(self):
        """while the database is down /ready is 503 and calls are faults of the server; then both are well again, without a restart"""
        request_id = self.post()
        subprocess.run([RESTART, "stop"], check=True, stdout=subprocess.DEVNULL)
        try:
            self.assertEqual(self.portal.operations("/ready"), (503, "the database does not answer\n"))
            self.assertEqual(self.portal.operations("/health"), (200, "ok\n"))
            self.assertEqual(self.fault(post_body()), "Server")
            self.assertEqual(self.fault(get_body(request_id)), "Server")
            self.assertEqual(SignPage(self.portal, request_id).status, 500)
        finally:
            subprocess.run([RESTART, "start"], check=True, stdout=subprocess.DEVNULL)
        until(lambda: self.portal.operations("/ready") == (200, "ready\n"), "ready again")
        self.assertIn("<Status>Pending</Status>", self.call(get_body(request_id))[1])
        self.post()


class MetricsTest(OperationsCase):
    def counters(self):
        return {series: value for series, value in counts(self.portal).items() if series[0].endswith("_total")}

    def test_what_was_done_is_counted(self):
        """each call, page and signature once, under what became of it"""
        before = self.counters()
        first, second, third = self.post(content(digest("a")), content(digest("b"))), self.post(), self.post()
        signature = self.signed(first)[0]
        self.assertEqual(self.call(verify_body((digest("a"), signature)))[0], 200)
        page = SignPage(self.portal, second)
        page.call("claim", instrument="sandbox")
        page.call("give_up", reason="pin_locked")
        SignPage(self.portal, second)
        self.assertEqual(self.call(get_body(third))[0], 200)
        SignPage(self.portal, "0" * 32)
        faults = [
            self.fault(get_body("0" * 32)), self.fault(get_body(third), consumer=self.other), self.fault(post_body(content(b"x"))), self.fault(get_body(third), consumer=None),
            self.fault(b"<x/>"), self.fault(envelope("<Nothing/>")),
        ]
        self.assertEqual(faults, ["RequestNotFound", "AuthorizationFailed", "InvalidParameter", "AuthenticationFailed", "Client", "Client"])
        made = {}
        for series, value in self.counters().items():
            if value != before.get(series, 0):
                made[(series[0].removeprefix("signet_portal_").removesuffix("_total"), *(part for label in series[1] for part in label))] = value - before.get(series, 0)
        self.assertEqual(made, {
            ("api_calls", "operation", "PostSignRequest", "outcome", "answered"): 3,
            ("api_calls", "operation", "GetSignResponse", "outcome", "answered"): 2,
            ("api_calls", "operation", "VerifySignatures", "outcome", "answered"): 1,
            ("api_calls", "operation", "GetSignResponse", "outcome", "RequestNotFound"): 1,
            ("api_calls", "operation", "GetSignResponse", "outcome", "AuthorizationFailed"): 1,
            ("api_calls", "operation", "PostSignRequest", "outcome", "InvalidParameter"): 1,
            ("api_calls", "operation", "none", "outcome", "AuthenticationFailed"): 1,
            ("api_calls", "operation", "none", "outcome", "Client"): 2,
            ("page_opened", "outcome", "pending"): 2,
            ("page_opened", "outcome", "failure"): 1,
            ("page_opened", "outcome", "unknown"): 1,
            ("results_saved", "instrument", "sandbox", "outcome", "success"): 2,
            ("given_up", "reason", "pin_locked"): 1,
            ("sandbox_played",): 1,
        })

    def test_gauges(self):
        """connections and consumers of the moment"""
        def gauges():
            return {series[0]: value for series, value in counts(self.portal).items() if series[0] in GAUGES}

        until(lambda: gauges()["signet_portal_page_connections"] == 0, "those of before end")
        with socket.create_connection(("127.0.0.1", self.portal.page_port), WITHIN_S), socket.create_connection(("127.0.0.1", self.portal.page_port), WITHIN_S):
            until(lambda: gauges()["signet_portal_page_connections"] == 2, "two connections")
        until(lambda: gauges()["signet_portal_page_connections"] == 0, "none again")
        self.assertEqual(gauges()["signet_portal_consumers"], 2)

    def test_a_stranger_makes_no_series(self):
        """whatever is sent, labels stay within small sets"""
        stranger = make_certificate(self.folder, "stranger")
        pages = http.client.HTTPConnection("127.0.0.1", self.portal.page_port, timeout=WITHIN_S)
        self.addCleanup(pages.close)
        for number in range(30):
            odd = f'x{number}"}} 1\nevil{{a="'
            self.call(post_body(short=odd), action=f"https://msign.gov.md/IMSign/{number}")
            self.call(envelope(f"<Op{number} xmlns='https://msign.gov.md'/>"))
            self.call(post_body(), consumer=stranger)
            self.call(get_body(f"{number:032x}"), consumer=None)
            page = SignPage(self.portal, self.post(), Instrument=f"i{number}", lang=odd, MSISDN=f"3736912{number:04}")
            page = SignPage(self.portal, page.id)
            page.call("claim", instrument=f"i{number}")
            page.call("claim", instrument="sandbox")
            page.call(f"call{number}")
            page.call("sandbox", action=f"a{number}")
            letters = "".join(chr(ord("a") + int(digit_)) for digit_ in str(number))
            self.assertEqual(page.call("give_up", reason=f"reason_{letters}")[0], 200)
            for path in (f"/{urllib.parse.quote(odd)}", f"/{number:032x}?ReturnUrl={number}", f"/verify?{number}"):
                pages.request(f"M{number}", path)
                pages.getresponse().read()
                self.assertIn(self.portal.operations(path)[0], (404, 405))
        allowed = {
            "operation": OPERATIONS, "outcome": {"answered"} | FAULTS | STATUSES, "instrument": {"sandbox"}, "reason": {"other", "user_cancelled", "pin_locked"},
        }
        for name, labels in counts(self.portal):
            for label, value in labels:
                self.assertIn(value, allowed[label], (name, label))
        self.assertEqual(counts(self.portal)["signet_portal_given_up_total", (("reason", "other"),)], 30)
        self.assertNotIn("reason_", self.portal.log.read_text())


class LogTest(OperationsCase):
    @classmethod
    def make(cls, name, first="", more=""):
        return super().make(name, 'log_level = "debug"\n' + first, more)

    def test_nothing_personal(self):
        """a request from its post to its verification: neither who, nor what, nor where to"""
        value = digest("a")
        short, long_, named, relay = "Contract of Maria Rusu", "Contract 17/2026 with all that belongs to it", "maria-rusu.pdf", "order-4711"
        body = post_body(content(value, "correlation-12", named), short=short, description=long_, expected=signer())
        request_id = re.search("<PostSignRequestResult>(.*?)</", self.call(body)[1]).group(1)
        page = SignPage(self.portal, request_id, relay_state=relay, MSISDN="37369123456", lang="ru")
        page.call("claim", instrument="sandbox")
        wrong = page.call("save", results=[{"number": 0, "signature": "<a>not-a-signature</a>"}])
        self.assertEqual(wrong[1]["refused"][0]["code"], "signature_invalid")
        self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")
        signature = re.search("<Signature>(.*?)</Signature>", self.call(get_body(request_id))[1]).group(1)
        verified = self.call(verify_body((value, signature), (digest("b"), signature)))[1]
        subject = re.search("<Subject>(.*?)</Subject>", verified).group(1)
        self.assertIn(IDNP, subject)
        self.assertEqual(self.fault(post_body(content(value, named, named * 30), expected=signer())), "InvalidParameter")
        self.fault(post_body(expected=signer(IDNP + "5")))
        self.fault(post_body().replace("Invoice", f"<{IDNP}/>"))
        log = self.portal.log.read_text()
        personal = [IDNP, short, "Maria", long_, named, "correlation-12", relay, "37369123456", RETURN_URL, "shop.example", subject, "CN=", "SERIALNUMBER", signature[:40]]
        personal += [value.hex(), base64.b64encode(value).decode(), page.key, page.data["token"], "not-a-signature"]
        for text in personal:
            self.assertNotIn(text, log)
        self.assertIn("api_calls consumer=shop operation=PostSignRequest outcome=answered", log)

    def test_lines_are_structured(self):
        """time, level, what happened, then key=value"""
        self.fault(b"<x/>")
        for line in self.portal.log.read_text().splitlines():
            self.assertRegex(line, f"^{LINE.pattern}$")


class RequestsTest(OperationsCase):
    def requests(self, *words, code=0):
        ran = self.portal.command("--json", "requests", *words, check=False)
        self.assertEqual(ran.returncode, code, ran.stderr)
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def test_beside_a_running_portal(self):
        """the list and one request say how it stands, while the portal runs, and nothing of people, texts or hashes"""
        pending = self.post(content(digest("a"), "correlation-1", "maria.pdf"), content(digest("b")), consumer=self.other)
        done, failed = self.post(), self.post()
        self.signed(done)
        page = SignPage(self.portal, failed)
        page.call("claim", instrument="sandbox")
        page.call("give_up", reason="pin_locked")
        self.assertEqual({request["id"]: request["status"] for request in self.requests("list")}, {pending: "Pending", done: "Success", failed: "Failure"})
        self.assertEqual([request["id"] for request in self.requests("list", "--status", "failure")], [failed])
        self.assertEqual([request["id"] for request in self.requests("list", "--consumer", "other")], [pending])
        self.assertEqual(len(self.requests("list", "--count", "2")), 2)
        shown, = self.requests("show", pending)
        self.assertEqual((shown["consumer"], shown["contents"], shown["signed"], shown["status"]), ("other", 2, 0, "Pending"))
        shown, = self.requests("show", failed)
        self.assertEqual((shown["instrument"], shown["reason"]), ("sandbox", "pin_locked"))
        self.assertIn("ended", shown)
        for text in (self.portal.command("requests", "list").stdout, self.portal.command("requests", "show", done).stdout, json.dumps(self.requests("list"))):
            for personal in (IDNP, "maria", "Invoice", digest("a").hex(), base64.b64encode(digest("a")).decode(), "correlation"):
                self.assertNotIn(personal, text)
        for unknown in ("0" * 32, "x", "'; DROP TABLE requests; --", "\x1b[31m"):
            self.assertEqual(self.requests("show", unknown, code=1), [])
        self.assertEqual(self.portal.operations("/ready")[0], 200)


class DeletionTest(OperationsCase):
    def test_what_is_old_is_deleted(self):
        """contents and signatures are deleted delete_after_s after the end, by the portal that runs; newer ones and pending ones stay"""
        portal = self.make("deletes", more="[requests]\ndelete_after_s = 3600\n")
        shop = portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.stop())
        old, new, pending = (self.post(content(digest("a"), "correlation-1", "maria.pdf"), consumer=shop, portal=portal) for _ in range(3))
        for request_id in (old, new):
            page = SignPage(portal, request_id)
            page.call("claim", instrument="sandbox")
            self.assertEqual(page.call("sandbox", action="sign", idnp=IDNP)[1]["status"], "success")
        portal.stop()
        portal.sql(f"UPDATE requests SET ended_at = ended_at - 3601 WHERE id = '{old}'")
        portal.start()
        until(lambda: portal.requests("show", old)[0].get("contents_deleted"), "it is deleted")
        self.assertEqual(self.fault(get_body(old), consumer=shop, portal=portal), "RequestNotFound")
        self.assertEqual(SignPage(portal, old).status, 404)
        for table, count in (("contents", 0), ("results", 0)):
            self.assertEqual(portal.sql(f"SELECT count(*) FROM {table} WHERE request_id = '{old}'"), [[str(count)]])
        self.assertEqual(portal.sql(f"SELECT short_description, description FROM requests WHERE id = '{old}'"), [["", ""]])
        until(lambda: "swept expired=0 contents_deleted=1" in portal.log.read_text(), "it is told")
        self.assertIn("<Signature>", self.call(get_body(new), consumer=shop, portal=portal)[1])
        self.assertEqual(SignPage(portal, pending).data["documents"]["names"], ["maria.pdf"])


class StopTest(OperationsCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    def started(self, name, first=""):
        portal = self.make(name, first)
        self.shop = portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.process.poll() is None and portal.kill())
        return portal

    def connect(self, portal):
        plain = socket.create_connection(("127.0.0.1", portal.api_port), WITHIN_S)
        connection = portal.client_context(*self.shop).wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(connection.close)
        return connection

    def half_sent(self, portal):
        """A post of which half has come, and the other half."""
        body = envelope(post_body())
        connection = self.connect(portal)
        head = f"POST /MSign.svc HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        self.assertIn(b"100 Continue", connection.recv(100))  # it is being read
        connection.sendall(body[:40])
        return connection, body[40:]

    def told_to_stop(self, portal):
        portal.process.terminate()
        until(lambda: portal.operations("/ready") == (503, "stopping\n"), "/ready says that it stops")

    def ended(self, portal):
        """The exit code, and the last words."""
        code = portal.process.wait(WITHIN_S)
        return code, [line.split(" ", 1)[1] for line in portal.log.read_text().splitlines()][-1]

    def test_what_is_under_way_finishes(self):
        """after SIGTERM a post that is half there is taken and answered, nothing new is, and then it ends with 0"""
        portal = self.started("finishes")
        idle = self.connect(portal)
        connection, rest = self.half_sent(portal)
        self.told_to_stop(portal)
        for port in (portal.api_port, portal.page_port):
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), WITHIN_S)
        self.assertEqual(idle.recv(1), b"", "who asked nothing is let go")
        self.assertEqual(portal.operations("/health"), (200, "ok\n"))
        self.assertIsNone(portal.process.poll())
        connection.sendall(rest)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        text = answer.read().decode()
        self.assertEqual((answer.status, answer.headers["Connection"]), (200, "close"))
        connection.close()
        self.assertEqual(self.ended(portal), (0, "info stopped"))
        request_id = re.search("<PostSignRequestResult>(.*?)</", text).group(1)
        self.assertIn(request_id, portal.command("requests", "list").stdout)

    def test_a_start_that_fails(self):
        """an address that another has: it is said, and what has begun already ends in order"""
        portal = self.make("taken")
        taken = socket.create_server(("127.0.0.1", portal.operations_port))
        self.addCleanup(taken.close)
        ran = portal.command("serve", check=False)
        self.assertEqual(ran.returncode, 6, ran.stderr)
        self.assertIn(f"port {portal.operations_port}: Address already in use", ran.stderr)
        self.assertNotIn("runtime error", ran.stderr)

    def test_nothing_under_way(self):
        """with idle connections alone it ends at once"""
        portal = self.started("idle")
        connections = [self.connect(portal) for _ in range(5)] + [socket.create_connection(("127.0.0.1", portal.page_port), WITHIN_S) for _ in range(5)]
        began = time.monotonic()
        portal.process.terminate()
        self.assertEqual(self.ended(portal), (0, "info stopped"))
        self.assertLess(time.monotonic() - began, 10, "and not after the limit of 30 s")
        for connection in connections:
            connection.close()

    def test_a_second_signal(self):
        """a second SIGTERM, or SIGINT, ends it whatever is under way"""
        for number, second in enumerate((signal.SIGTERM, signal.SIGINT)):
            portal = self.started(f"second{number}")
            connection, _ = self.half_sent(portal)
            self.told_to_stop(portal)
            self.assertIsNone(portal.process.poll())
            portal.process.send_signal(second)
            self.assertEqual(self.ended(portal), (0, "info stopped"))
            self.assertIn("warning stopped_at_once", portal.log.read_text())
            with contextlib.suppress(ConnectionError):
                self.assertEqual(connection.recv(1), b"")

    def test_the_limit(self):
        """what takes longer than the limit is cut"""
        portal = self.started("limit", "stop_timeout_s = 1\n")
        connection, _ = self.half_sent(portal)
        began = time.monotonic()
        self.told_to_stop(portal)
        self.assertEqual(self.ended(portal), (0, "info stopped"))
        self.assertGreaterEqual(time.monotonic() - began, 0.9)
        self.assertNotIn("stopped_at_once", portal.log.read_text())
        with contextlib.suppress(ConnectionError):
            self.assertEqual(connection.recv(1), b"")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    OperationsCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
