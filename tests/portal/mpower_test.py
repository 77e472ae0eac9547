#!/usr/bin/python3
"""Delegation: the portal asks MPower's stand-in over mutual TLS, zeep posts and reads what came of it.

usage: mpower_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import concurrent.futures
import json
import pathlib
import queue
import subprocess
import sys
import threading
import time
import unittest

from counts import count
from portal_bench import WITHIN_S, Portal, SignPage, server_certificate, until
from wire_case import envelope, fault_of, make_authority, make_certificate, post_body, serial_of, signer
from zeep_case import IDNP, ZeepCase

from cryptography.hazmat.primitives.serialization import Encoding

STAND_IN = pathlib.Path(__file__).resolve().parents[2] / "demo/mpower/mpower.py"
PERSON, STRANGER = "2009876543210", "2005555555555"
TIMEOUT_S = 2
LATE_S = 60  # no test waits so long
MANY = 80  # more than wait for MPower at once
ROLES = {1: "AT-0000001", 2: "AT-0000002", 403: "AT-0000403", 401: "AT-0000401", 400: "AT-0000400", 500: "AT-0000500", 501: "AT-0000501", 302: "AT-0000302", 99: "AT-0000099", 7: "AT-0000007"}
UNREADABLE = (
    "", "x", "[]", "null", "true", '{"isValid": true}', '{"data": true, "success": true}', '{"data": null, "success": true}', '{"data": {}, "success": true}',
    '{"data": {"isValid": "yes"}, "success": true}', '{"data": {"isValid": 1}, "success": true}', '{"data": {"isValid": true}}',
    '{"data": {"isValid": true}, "success": false}', '{"data": {"isValid": true}, "success": "true"}', '{"data": {"isValid": true}, "success": true',
    '{"data": {"isValid": true}, "success": true, "messages": ' + "[" * 50 + "]" * 50 + "}",
    '{"data": {"isValid": true}, "success": true, "messages": ["' + "x" * 100_000 + '"]}',
)


def idno(twelve):
    """With the digit that checks the others."""
    return twelve + str(sum(int(digit) * weight for digit, weight in zip(twelve, (7, 3, 1) * 4, strict=True)) % 10)


COMPANY = idno("100360000000")


def power(role, authorizing=PERSON, answer="valid", **more):
    return {"type": ROLES[role], "authorizing": authorizing, "authorized": IDNP, "answer": answer, **more}


POWERS = [
    power(1), power(2, COMPANY), power(1, COMPANY, "revoked"), power(99, delay_s=LATE_S), power(7, body='{"data":{"isValid":"True"},"success":true}'),
    power(7, COMPANY, body='{"data":{"isValid":"False"},"success":true}'), *(power(status, answer=status) for status in (400, 401, 403, 500, 501, 302)),
]


class StandIn:
    """MPower's, as a process of its own."""

    def __init__(self, folder, clients):
        self.powers, self.clients = folder / "powers.json", clients
        self.certificate, self.key = server_certificate(folder, "mpower")
        self.authority, authority_key = make_authority("TEST CA of systems")
        self.issuer = (self.authority, authority_key)
        self.client_ca = folder / "systems.pem"
        self.client_ca.write_bytes(self.authority.public_bytes(Encoding.PEM))
        self.port, self.process = 0, None
        self.asked = queue.Queue()

    def know(self, powers=POWERS, **more):
        changed = self.powers.with_suffix(".new")
        changed.write_text(json.dumps({"powers": powers, **more}))
        changed.replace(self.powers)

    def start(self):
        words = [STAND_IN, "--powers", self.powers, "--certificate", self.certificate, "--key", self.key, "--client-ca", self.client_ca]
        self.process = subprocess.Popen([*words, "--listen", f"127.0.0.1:{self.port}", "--verbose"], stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.port = int(self.url.split(":")[2].split("/")[0])
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        return self

    def _listen(self, lines):
        for line in lines:
            self.asked.put(json.loads(line)["type"])

    def questions(self, count):
        """The type codes that were asked for since the last time, `count` at least."""
        asked = [self.asked.get(timeout=WITHIN_S) for _ in range(count)]
        while not self.asked.empty():
            asked.append(self.asked.get())
        return asked

    def stop(self):
        self.process.terminate()
        code = self.process.wait(WITHIN_S)
        self.process.stdout.close()
        return code


class MpowerTest(ZeepCase):
    @classmethod
    def configuration(cls):
        cls.system = cls.stand_in_and_certificate()
        cls.addClassCleanup(lambda: cls.stand_in.stop())
        return cls.section(cls.stand_in.certificate, *cls.system)

    @classmethod
    def stand_in_and_certificate(cls):
        cls.stand_in = StandIn(cls.folder, [])
        system = make_certificate(cls.folder, "system", cls.stand_in.issuer)
        cls.unregistered = make_certificate(cls.folder, "unregistered", cls.stand_in.issuer)
        cls.foreign = make_certificate(cls.folder, "foreign", make_authority("TEST CA of others"))
        cls.stand_in.know(clients=[serial_of(system[0])])
        cls.stand_in.start()
        return system

    @classmethod
    def section(cls, ca, certificate, key, timeout_s=TIMEOUT_S):
        roles = "".join(f'{role} = "{code}"\n' for role, code in ROLES.items())
        return (
            f'[mpower]\nurl = "{cls.stand_in.url}"\nca = "{ca}"\ncertificate = "{certificate}"\nkey = "{key}"\ntimeout_ms = {timeout_s * 1000}\n'
            f"[mpower.roles]\n{roles}"
        )

    def setUp(self):
        self.stand_in.questions(0)
        self.service = self.client(self.shop)
        self.logged_before = self.portal.log.stat().st_size

    def logged(self, portal=None):
        """The lines about MPower since the test began, without their times."""
        portal = portal or self.portal
        with portal.log.open() as log:
            log.seek(self.logged_before if portal is self.portal else 0)
            return [line.split(" ", 1)[1].strip() for line in log if " mpower " in line]

    def delegated(self, role, delegator=PERSON, idnp=IDNP, kind=None):
        kind = kind or ("Organization" if delegator.startswith("1") else "Person")
        return self.request("a.pdf", ExpectedSigner={"DelegatedRoleID": role, "DelegatorID": delegator, "DelegatorType": kind, "ID": idnp})

    def refused(self, *arguments, service=None, **named):
        """(code, reason) of a post that stores nothing."""
        before = self.portal.command("requests", "list").stdout
        told = self.fault((service or self.service).PostSignRequest, self.delegated(*arguments, **named))
        self.assertEqual(self.portal.command("requests", "list").stdout, before)
        return told

    def assert_try_again(self, told):
        code, reason = told
        self.assertEqual(code, "Server")
        self.assertIn("Try again later", reason)

    def assert_nothing_asked(self):
        """Until this, which is."""
        self.service.PostSignRequest(self.delegated(2, COMPANY))
        self.assertEqual(self.stand_in.questions(1), [ROLES[2]])

    def another(self, name, section):
        """A portal with another [mpower], and zeep at it."""
        portal = Portal(self.bin, self.folder / name, more=section)
        shop = portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.process.poll() is None and portal.stop())
        return portal, self.client(shop, portal)

    def test_a_valid_power(self):
        """with a valid power of a person or a company the request is posted, the page says for whom, and it is signed; asked once each"""
        for role, delegator, kind in ((1, PERSON, "Person"), (2, COMPANY, "Organization")):
            request_id = self.service.PostSignRequest(self.delegated(role, delegator))
            page = SignPage(self.portal, request_id)
            self.assertEqual(page.data["on_behalf_of"], {"type": kind, "id": delegator})
            page.call("claim", instrument="sandbox")
            self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")
            self.assertIn(IDNP.encode(), self.service.GetSignResponse(requestID=request_id).Results.SignResult[0].Certificate)
        self.assertEqual(self.stand_in.questions(2), [ROLES[1], ROLES[2]])
        self.assertEqual(self.logged(), ["info mpower outcome=valid status=200"] * 2)
        self.service.PostSignRequest(self.delegated(7))  # as a text, "True"

    def test_no_power(self):
        """revoked, unknown, the other way round, of another role: InvalidParameter names the field, and nothing is stored"""
        for arguments in ((1, COMPANY), (2, PERSON), (1, STRANGER), (7, COMPANY)):
            code, reason = self.refused(*arguments)
            self.assertEqual((code, reason.split(":")[0]), ("InvalidParameter", "ExpectedSigner.DelegatorID"))
        code, reason = self.refused(1, IDNP, idnp=PERSON)
        self.assertEqual((code, reason.split(":")[0]), ("InvalidParameter", "ExpectedSigner.DelegatorID"))
        self.assertEqual(len(self.stand_in.questions(5)), 5)
        self.assertEqual(self.logged(), [f"info mpower outcome={outcome}" for outcome in (
            "not_valid status=200", "not_found status=404", "not_found status=404", "not_valid status=200", "not_found status=404")])

    def test_a_power_that_is_revoked_meanwhile(self):
        """what was valid once is asked again at the next request"""
        try:
            self.service.PostSignRequest(self.delegated(1))
            self.stand_in.know([power(1, answer="revoked")])
            self.assertEqual(self.refused(1)[0], "InvalidParameter")
        finally:
            self.stand_in.know(clients=[serial_of(self.system[0])])

    def test_what_is_not_asked(self):
        """a role that is not mapped, no signer, no or a wrong delegator: InvalidParameter names each, and MPower hears nothing of it"""
        for field, arguments, named in (
            ("DelegatedRoleID", (3,), {}), ("DelegatedRoleID", (0,), {}), ("DelegatedRoleID", (-1,), {}), ("ID", (1,), {"idnp": None}), ("ID", (1,), {"idnp": "12"}),
            ("DelegatorID", (1, "12"), {}), ("DelegatorID", (2, "1003600000005"), {}), ("DelegatorID", (1, PERSON), {"kind": "None"}),
        ):
            code, reason = self.refused(*arguments, **named)
            self.assertEqual((code, reason.split(":")[0]), ("InvalidParameter", f"ExpectedSigner.{field}"))
        self.assert_nothing_asked()

    def test_not_configured(self):
        """without [mpower] a delegation is InvalidParameter, and says that it is this service's lack"""
        _, service = self.another("without", "")
        code, reason = self.fault(service.PostSignRequest, self.delegated(1))
        self.assertEqual((code, reason.split(":")[0]), ("InvalidParameter", "ExpectedSigner.DelegatorType"))
        self.assertIn("not configured", reason)

    def test_mpower_does_not_let_us_ask(self):
        """400, 401, 403: not the caller's mistake, and a warning for the operator"""
        for role in (400, 401, 403):
            code, reason = self.refused(role)
            self.assertEqual(code, "Server")
            self.assertIn("no mistake of the caller's", reason)
            self.assertNotIn("Try again", reason)
        self.assertEqual(self.logged(), [f"warning mpower outcome=refused status={status}" for status in (400, 401, 403)])

    def test_mpower_fails(self):
        """500, 501, a redirect: a fault of the server that says to try again, and a warning"""
        for role in (500, 501, 302):
            self.assert_try_again(self.refused(role))
        self.assertEqual(self.logged(), [f"warning mpower outcome=failed status={status}" for status in (500, 501, 302)])

    def test_answers_that_are_none(self):
        """what is not MPower's answer, or says neither yes nor no, is never taken for a yes"""
        try:
            for body in UNREADABLE:
                with self.subTest(body[:60]):
                    self.stand_in.know([power(7, body=body)])
                    self.assert_try_again(self.refused(7))
        finally:
            self.stand_in.know(clients=[serial_of(self.system[0])])
        outcomes = {line.split("outcome=")[1].split()[0] for line in self.logged()}
        self.assertEqual(outcomes, {"unreadable", "unreachable"})  # the longest is not read to its end

    def test_a_slow_mpower_blocks_nobody_else(self):
        """while a post waits for MPower, others with and without delegation are answered; then it hears that it may try again"""
        with concurrent.futures.ThreadPoolExecutor(1) as others:
            late = self.client(self.shop)
            began = time.monotonic()
            waiting = others.submit(self.fault, late.PostSignRequest, self.delegated(99))
            self.assertEqual(self.stand_in.asked.get(timeout=WITHIN_S), ROLES[99])
            for _ in range(3):
                self.service.PostSignRequest(self.request("a.pdf"))
                self.service.PostSignRequest(self.delegated(1))
                self.assertEqual(self.refused(1, STRANGER)[0], "InvalidParameter")
            self.assertFalse(waiting.done(), "the others were answered before it")
            self.assert_try_again(waiting.result(WITHIN_S))
        self.assertGreaterEqual(time.monotonic() - began, TIMEOUT_S)
        self.assertIn("warning mpower outcome=unreachable detail=\"Timeout was reached", "\n".join(self.logged()))

    def test_many_that_wait(self):
        """more than wait for MPower at once hear so at once; none hangs, and what needs no MPower goes on"""
        body = envelope(post_body(expected=signer(kind="Person", delegator=PERSON).replace("ID>0<", "ID>99<")))
        context = self.portal.client_context(*self.shop)
        before = {outcome: count(self.portal, "mpower_total", outcome=outcome) for outcome in ("busy", "unreachable")}
        with concurrent.futures.ThreadPoolExecutor(MANY) as crowd:
            waiting = [crowd.submit(self.portal.soap, body, context) for _ in range(MANY)]
            until(lambda: count(self.portal, "mpower_total", outcome="busy") > before["busy"], "some hear at once")
            self.service.PostSignRequest(self.request("a.pdf"))
            self.assertGreater(sum(not one.done() for one in waiting), 0)
            answers = [one.result(WITHIN_S) for one in waiting]
        for status, text in answers:
            self.assertEqual((status, fault_of(text)[0]), (500, "Server"))
        made = {outcome: count(self.portal, "mpower_total", outcome=outcome) - number for outcome, number in before.items()}
        self.assertEqual(sum(made.values()), MANY)
        self.assertGreaterEqual(made["unreachable"], 16)

    def test_mpower_is_not_there(self):
        """while MPower is down a delegation hears to try again, and afterwards it is posted, without a restart"""
        self.assertEqual(self.stand_in.stop(), 0)
        try:
            self.assert_try_again(self.refused(1))
            self.service.PostSignRequest(self.request("a.pdf"))
        finally:
            self.stand_in.start()
        self.service.PostSignRequest(self.delegated(1))
        self.assertRegex(self.logged()[0], r'^warning mpower outcome=unreachable detail="[^"]*connect[^"]*"$')

    def test_an_mpower_of_somebody_else(self):
        """a server whose certificate another authority issued is asked nothing"""
        other, _ = server_certificate(self.folder, "other-mpower")
        portal, service = self.another("foreign-server", self.section(other, *self.system))
        self.assert_try_again(self.fault(service.PostSignRequest, self.delegated(1)))
        self.assert_nothing_asked()
        self.assertRegex(self.logged(portal)[0], r'^warning mpower outcome=unreachable detail="[^"]*certificate[^"]*"$')

    def test_a_certificate_that_mpower_does_not_take(self):
        """refused in the handshake: to try again, and a warning; refused by its number: 403"""
        portal, service = self.another("foreign-client", self.section(self.stand_in.certificate, *self.foreign))
        self.assert_try_again(self.fault(service.PostSignRequest, self.delegated(1)))
        self.assertRegex(self.logged(portal)[0], r'^warning mpower outcome=unreachable detail="[^"]+"$')
        self.assert_nothing_asked()
        portal, service = self.another("unregistered", self.section(self.stand_in.certificate, *self.unregistered))
        code, reason = self.fault(service.PostSignRequest, self.delegated(1))
        self.assertEqual(code, "Server")
        self.assertIn("operator", reason)
        self.assertEqual(self.logged(portal), ["warning mpower outcome=refused status=403"])

    def test_a_stop_waits_for_mpower(self):
        """a delegation that is asked when the portal is told to stop is answered and posted; a second signal ends it at once"""
        for name, power_, second in (("waits", power(99, delay_s=1.5), False), ("cut", power(99, delay_s=LATE_S), True)):
            portal, service = self.another(name, self.section(self.stand_in.certificate, *self.system, timeout_s=LATE_S))
            try:
                self.stand_in.know([power_])
                with concurrent.futures.ThreadPoolExecutor(1) as others:
                    waiting = others.submit(service.PostSignRequest, self.delegated(99))
                    self.assertEqual(self.stand_in.questions(1), [ROLES[99]])
                    portal.process.terminate()
                    until(lambda: portal.operations("/ready") == (503, "stopping\n"), "it stops")
                    self.assertFalse(waiting.done())
                    if second:
                        portal.process.terminate()
                        self.assertRaises(OSError, waiting.result, WITHIN_S)
                    else:
                        self.assertRegex(waiting.result(WITHIN_S), "^[0-9a-f]{32}$")
                self.assertEqual(portal.process.wait(WITHIN_S), 0)
                self.assertEqual("stopped_at_once" in portal.log.read_text(), second)
            finally:
                self.stand_in.know(clients=[serial_of(self.system[0])])

    @classmethod
    def tearDownClass(cls):
        """Nothing that was asked is in the log."""
        log = cls.portal.log.read_text()
        for personal in (IDNP, PERSON, COMPANY, STRANGER, "Idn=", "AT-0000"):
            if personal in log:
                raise AssertionError(f"the log holds {personal}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    MpowerTest.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
