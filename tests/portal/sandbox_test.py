#!/usr/bin/python3
"""A sandbox as integrators' own tests use it, by HTTP and as pages do; what it may stand beside, and what a portal that is none takes of it.

usage: sandbox_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

The examples of docs/sandbox.md are run as they stand there. Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import contextlib
import http.client
import importlib.util
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest
import urllib.request

from middleware_signature import Middleware
from portal_bench import RETURN_URL, WITHIN_S, Portal, SignPage, cannot_run, free_port, until
from wire_case import IDNP, WireCase, content, digest, get_body, make_authority, make_certificate, post_body, serialization, signer

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "sandbox.md"
OTHER_IDNP = "2009876543210"
MSISDN = "37369123456"
MOBILE = '[[instruments]]\nid = "mobile"\nkind = "mobile"\n'
STAYS_PENDING = '{"action": "sign", "delay_ms": 1500}'


class SandboxCase(WireCase):
    @classmethod
    def prepare(cls):
        with cls.portal.configuration.open("a") as configuration:
            configuration.write(MOBILE + '[[instruments]]\nid = "moldsign"\nkind = "sandbox"\n[requests]\nallow_sha1 = true\n')

    def asked(self, method, request_id, body=None, portal=None, **headers):
        """(HTTP status, JSON)"""
        connection = http.client.HTTPConnection("127.0.0.1", (portal or self.portal).page_port, timeout=WITHIN_S)
        self.addCleanup(connection.close)
        connection.request(method, f"/sandbox/{request_id}", body, {"Content-Type": "application/json", **headers} if body is not None else headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def play(self, request_id, **parameters):
        status, answer = self.asked("POST", request_id, json.dumps(parameters))
        self.assertEqual(status, 200, answer)
        return answer

    def refused(self, request_id, **parameters):
        status, answer = self.asked("POST", request_id, json.dumps(parameters))
        self.assertNotEqual(status, 200, answer)
        return status, answer["error"]["code"]

    def outcome(self, request_id):
        """(status, message) as the e-service reads it."""
        text = self.call(get_body(request_id))[1]
        message = re.search("<Message>(.*?)</Message>", text)
        return re.search("<Status>(.*?)</Status>", text).group(1), message and message.group(1)

    def signature(self, request_id):
        return base64.b64decode(re.search("<Signature>(.*?)</Signature>", self.call(get_body(request_id))[1]).group(1)).decode()

    def signer_of(self, request_id):
        der = base64.b64decode(re.search("<Certificate>(.*?)</Certificate>", self.call(get_body(request_id))[1]).group(1))
        return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-issuer"], input=der, capture_output=True, check=True).stdout.decode()


class DocumentTest(SandboxCase):
    def test_the_examples(self):
        """each curl of docs/sandbox.md prints what stands below it"""
        if shutil.which("curl") is None:
            cannot_run("missing: curl")
        examples = re.findall(r"^    (curl .*)\n    (\{.*\})$", DOCUMENT.read_text(encoding="utf-8"), re.M)
        self.assertEqual(len(examples), len(re.findall("^    curl", DOCUMENT.read_text(encoding="utf-8"), re.M)))
        self.assertGreater(len(examples), 10)
        request_id, goes_on = None, False
        seen = []
        for command, printed in examples:
            with self.subTest(command):
                request_id = request_id if goes_on else self.post()
                environment = {**os.environ, "PORTAL": self.portal.pages, "REQUEST": request_id, "no_proxy": "*"}
                ran = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True, timeout=WITHIN_S)
                told, expected = (re.sub(r'"code":"\d{4}"', '"code":"4711"', text) for text in (ran.stdout, printed))
                self.assertEqual(told, expected)
                goes_on = '"phone"' in printed or '"user_cancelled","signed":0,"held":true' in printed
                seen.append(printed)
                if STAYS_PENDING in command:
                    self.assertEqual(self.outcome(request_id)[0], "Pending")
                    until(lambda: self.outcome(request_id)[0] == "Success", "the slow signer signs")
        self.assertEqual({json.loads(one).get("status") for one in seen}, {"success", "failure", "expired", "pending", None})


def examples(text):
    """The examples of a document: what is fenced, and what is indented by four spaces under a line that is not."""
    found, block, fenced = [], [], False
    for line in [*text.splitlines(), "end"]:
        fence = line.startswith("```")
        if fenced and not fence:
            block.append(line)
        elif not fenced and not fence and (line.startswith("    ") or (block and not line)):
            block.append(line)
        elif block:
            found.append(textwrap.dedent("\n".join(block)).strip() + "\n")
            block = []
        fenced ^= fence
    return found


class WholeDocumentTest(WireCase):
    """What docs/sandbox.md tells a new integrator to write, to type and to program, as it stands there, but for its paths and ports."""

    @classmethod
    def setUpClass(cls):
        if importlib.util.find_spec("zeep") is None or importlib.util.find_spec("requests") is None:
            cannot_run("missing: python3-zeep, python3-requests")
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        api, pages = free_port(), free_port()
        cls.ports = {"8443": str(api), "8080": str(pages)}
        cls.pages = f"http://127.0.0.1:{pages}"

    def here(self, text):
        return re.sub(r":(8443|8080)\b", lambda port: f":{self.ports[port.group(1)]}", text).replace("/path/", f"{self.folder}/")

    def example(self, *words):
        """The one that holds all of these."""
        (found,) = [one for one in examples(DOCUMENT.read_text(encoding="utf-8")) if all(word in one for word in words)]
        return self.here(found)

    def shell(self, commands):
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "no_proxy": "*"}
        return subprocess.run(["sh", "-ec", commands], cwd=self.folder, env=environment, capture_output=True, text=True, check=True, timeout=WITHIN_S).stdout

    def test_from_start_to_verdict(self):
        """the configuration and the commands start a portal; the Python posts, and once somebody signed fetches and verifies"""
        (self.folder / "portal.toml").write_text(self.example("[api]", "[sandbox]"), encoding="utf-8")
        self.shell(self.example("openssl req -x509"))
        commands = self.example("consumer add shop", "serve")
        self.assertTrue(commands.endswith("\nsignet-portal serve\n"), commands)
        self.shell(commands.removesuffix("signet-portal serve\n"))
        self.assertEqual({file.name for file in (self.folder / "keys").iterdir()}, {"shop.p12", "shop.pem", "shop.key"})
        with (self.folder / "portal.log").open("wb") as log:
            process = subprocess.Popen([self.bin / "signet-portal", "serve"], env={**os.environ, "SIGNET_PORTAL_CONFIG": f"{self.folder}/portal.toml"}, stdout=log, stderr=log)
        self.addCleanup(process.wait, WITHIN_S)
        self.addCleanup(process.terminate)

        def listens():
            self.assertIsNone(process.poll(), (self.folder / "portal.log").read_text(errors="replace"))
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(self.ports["8443"])), 1):
                return True

        until(listens, "the portal listens")
        posting, fetching = self.example("import hashlib", "PostSignRequest"), self.example("GetSignResponse(", "VerifySignatures(")
        program = "\n".join((
            posting, "print(request_id, flush=True)", "input()", fetching,
            "result = verdict.VerificationResult[0]", "print(answer.Status, result.SignaturesValid, result.Certificates.VerificationCertificate[0].Subject)",
        ))
        person = subprocess.Popen([sys.executable, "-c", program], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(person.communicate)
        self.addCleanup(person.kill)
        request_id = person.stdout.readline().strip()
        self.assertRegex(request_id, "^[0-9a-f]{32}$", request_id or person.stderr.read())
        (address,) = set(re.findall(r"http://\S+/\{request_id\}\?\S+?(?=`)", self.here(DOCUMENT.read_text(encoding="utf-8"))))
        with urllib.request.urlopen(address.format(request_id=request_id), timeout=WITHIN_S) as page:
            self.assertIn(f'"{request_id}"', page.read().decode())
        sign = re.search(r"""^ {4}(curl .*'{"action": "sign"}' \S+)$""", DOCUMENT.read_text(encoding="utf-8"), re.M).group(1)
        self.assertEqual(json.loads(self.shell(f"PORTAL={self.pages} REQUEST={request_id}; {sign}"))["status"], "success")
        told, complaint = person.communicate("\n", WITHIN_S)
        self.assertRegex(told, "^Success True .*CN=TEST", complaint)


class PlayedTest(SandboxCase):
    def test_outcomes(self):
        """what is played is what the e-service reads, in its words; what has ended stays so"""
        for parameters, expected in (
            ({"action": "sign"}, ("Success", None)),
            ({"action": "fail"}, ("Failure", "The signing was not completed.")),
            ({"action": "fail", "reason": "pin_locked"}, ("Failure", "The PIN of the signing device is locked.")),
            ({"action": "cancel"}, ("Failure", "Signing was cancelled by the user.")),
            ({"action": "expire"}, ("Expired", "The request has expired: nobody signed it in time.")),
        ):
            with self.subTest(**parameters):
                request_id = self.post()
                self.assertIs(self.play(request_id, **parameters)["test"], True)
                self.assertEqual(self.outcome(request_id), expected)
                self.assertEqual(self.refused(request_id, action="cancel"), (409, "ended"))
                self.assertEqual(SignPage(self.portal, request_id).data["status"], expected[0].lower())

    def test_who_signs(self):
        """the expected signer, or the one who was named; everything about them says TEST"""
        expected = self.post(post_body(content(), expected=signer()))
        self.assertEqual(self.play(expected, action="sign")["status"], "success")
        self.assertIn(IDNP, self.signer_of(expected))
        named = self.post()
        self.play(named, action="sign", idnp=OTHER_IDNP)
        self.assertIn(OTHER_IDNP, self.signer_of(named))
        for line in self.signer_of(named).splitlines():
            self.assertRegex(line, "CN = .*TEST")
        wrong = self.post(post_body(content(), expected=signer()))
        answer = self.play(wrong, action="sign", idnp=OTHER_IDNP)
        self.assertEqual(answer["refused"][0]["code"], "signer_differs")
        self.assertEqual(self.outcome(wrong)[0], "Pending")

    def test_what_is_wrong(self):
        """parameters that are none, requests that are not there, and what another site's page could send are refused, and nothing is played"""
        request_id = self.post()
        for parameters in (
            {}, {"action": "burn"}, {"action": 7}, {"action": "sign", "idnp": "12"}, {"action": "sign", "delay_ms": -1}, {"action": "sign", "delay_ms": 600_001},
            {"action": "sign", "delay_ms": "1"}, {"action": "fail", "reason": "<b>"}, {"action": "fail", "reason": "x" * 41}, {"action": "call"}, {"action": "call", "msisdn": "069123456"},
        ):
            with self.subTest(**parameters):
                self.assertEqual(self.refused(request_id, **parameters), (400, "parameter_invalid"))
        for action in ("confirm", "refuse"):
            self.assertEqual(self.refused(request_id, action=action), (409, "not_waiting"))
        for unknown in ("0" * 32, "x", "../../etc"):
            self.assertEqual(self.refused(unknown, action="sign"), (404, "request_unknown"))
            self.assertEqual(self.asked("GET", unknown)[0], 404)
        good = json.dumps({"action": "sign"})
        self.assertEqual(self.asked("POST", request_id, good, Origin="https://evil.example")[0], 403)
        self.assertEqual(self.asked("POST", request_id, good, **{"Content-Type": "text/plain"})[0], 400)
        for body in ("", "[]", "{", "null", "[" * 10_000):
            self.assertEqual(self.asked("POST", request_id, body)[0], 400)
        self.assertEqual(self.asked("PUT", request_id, good)[0], 405)
        self.assertEqual(self.outcome(request_id)[0], "Pending")

    def become_production(self, name):
        self.portal.command("consumer", "remove", name)
        for file in self.portal.folder.glob(f"{name}.*"):
            file.unlink()
        self.portal.add_consumer(name, "--environment", "production")

    def test_requests_of_others_in_the_same_database(self):
        """a request whose consumer is one of production, or not active, is neither told nor played, has no page, and one from before saves nothing"""
        for name, change in (("bank", self.become_production), ("idle", lambda name: self.portal.command("consumer", "deactivate", name))):
            with self.subTest(name):
                consumer = self.portal.add_consumer(name)
                until(lambda: self.call(post_body(), consumer=consumer)[0] == 200, "the register is read")
                page = SignPage(self.portal, self.post(consumer=consumer))
                self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
                change(name)
                until(lambda: page.call("state")[0] == 403, "the register is read")
                for call, parameters in (("sandbox", {"action": "sign"}), ("save", {"results": []}), ("release", {})):
                    self.assertEqual(page.call(call, **parameters)[1]["error"]["code"], "token_invalid")
                for parameters in ({"action": "sign"}, {"action": "cancel"}, {"action": "expire"}, {"action": "call", "msisdn": MSISDN}, {"action": "confirm"}):
                    self.assertEqual(self.refused(page.id, **parameters), (404, "request_unknown"))
                self.assertEqual(self.asked("GET", page.id)[0], 404)
                self.assertEqual(SignPage(self.portal, page.id).status, 404)
                self.assertRegex(self.portal.command("requests", "list", "--consumer", name).stdout, f"{page.id} .*  Pending  0/1")

    def test_what_is_under_way_when_its_consumer_changes(self):
        """a slow outcome of a request whose consumer has gone to production since is not saved"""
        consumer = self.portal.add_consumer("moving")
        until(lambda: self.call(post_body(), consumer=consumer)[0] == 200, "the register is read")
        request_id, after_it = self.post(consumer=consumer), self.post()
        for one in (request_id, after_it):
            self.play(one, action="sign", delay_ms=4_000)
        self.become_production("moving")
        until(lambda: self.asked("GET", request_id)[0] == 404, "the register is read", 3.5)
        until(lambda: self.outcome(after_it)[0] == "Success", "their time is over")
        self.assertRegex(self.portal.command("requests", "list", "--consumer", "moving").stdout, f"{request_id} .*  Pending  0/1")

    def test_one_signs(self):
        """who plays is held while a page signs, and a page while a slow outcome is on its way"""
        page = SignPage(self.portal, self.post())
        page.call("claim", instrument="sandbox")
        for action in ("sign", "fail", "cancel", "expire"):
            self.assertEqual(self.refused(page.id, action=action), (409, "held"))
        page.call("release")
        self.assertTrue(self.play(page.id, action="sign", delay_ms=600_000)["held"])
        self.assertEqual(page.call("claim", instrument="sandbox")[1]["error"]["code"], "held")
        self.assertEqual(self.refused(page.id, action="cancel"), (409, "held"))
        self.assertTrue(self.play(page.id, action="sign", delay_ms=600_000)["held"], "asked again it is the same")

    def test_one_outcome_at_a_time(self):
        """while an outcome is on its way the very same call is answered again, and all others, of a phone too, are held and change nothing"""
        request_id = self.post()
        slow = {"action": "sign", "idnp": OTHER_IDNP, "delay_ms": 6_000}
        self.play(request_id, **slow)
        for other in (
            {"action": "sign"}, {**slow, "idnp": IDNP}, {**slow, "delay_ms": 0}, {"action": "fail"}, {"action": "cancel"}, {"action": "expire"}, {"action": "cancel", "delay_ms": 6_000},
            {"action": "call", "msisdn": MSISDN}, {"action": "confirm"}, {"action": "confirm", "idnp": IDNP}, {"action": "refuse"},
        ):
            with self.subTest(**other):
                self.assertEqual(self.refused(request_id, **other), (409, "held"))
        told = self.play(request_id, **slow)
        self.assertEqual((told["status"], told["signed"], "phone" in told), ("pending", 0, False))
        until(lambda: self.outcome(request_id)[0] == "Success", "it comes")
        self.assertIn(OTHER_IDNP, self.signer_of(request_id))

    def test_a_phone_makes_way(self):
        """while a phone rings a new call or another action takes its place, and what it would have confirmed is over"""
        request_id = self.post()
        for msisdn in (MSISDN, "37369000000"):
            self.assertEqual(self.play(request_id, action="call", msisdn=msisdn)["phone"]["msisdn"], msisdn)
        self.assertNotIn("phone", self.play(request_id, action="fail", delay_ms=1_000))
        self.assertEqual(self.refused(request_id, action="confirm"), (409, "held"))
        until(lambda: self.outcome(request_id)[0] == "Failure", "it comes")

    def test_the_expected_signer_on_the_page(self):
        """the page's form begins with the IDNP of who is expected, if anybody is"""
        self.assertEqual(SignPage(self.portal, self.post(post_body(content(), expected=signer()))).data["expected_signer"], IDNP)
        self.assertNotIn("expected_signer", SignPage(self.portal, self.post()).data)

    def test_a_slow_one_keeps_nobody_waiting(self):
        """while a hundred outcomes are on their way, others are played; each comes once its time is over"""
        slow = [self.post() for _ in range(100)]
        for request_id in slow:
            self.play(request_id, action="sign", delay_ms=3_000)
        fast = self.post()
        self.assertEqual(self.play(fast, action="sign")["status"], "success")
        self.assertEqual(self.outcome(slow[-1])[0], "Pending")
        until(lambda: all(self.outcome(request_id)[0] == "Success" for request_id in slow), "all have signed")

    def test_the_portal_stops_while_something_is_slow(self):
        """an outcome that is on its way keeps no portal from stopping"""
        portal = Portal(self.bin, self.folder / "stopping")
        shop = portal.add_consumer("shop")
        portal.start()
        request_id = self.post(portal=portal, consumer=shop)
        self.assertEqual(self.asked("POST", request_id, json.dumps({"action": "sign", "delay_ms": 600_000}), portal=portal)[0], 200)
        self.assertEqual(portal.stop(), 0)

    def test_sha1_where_it_is_allowed(self):
        """a hash of SHA-1 that may be posted can be signed, by a signature that itself uses SHA-256"""
        sha1 = bytes(range(20))
        request_id = self.post(post_body(content(sha1)))
        self.assertEqual(self.play(request_id, action="sign")["status"], "success")
        made = self.signature(request_id)
        self.assertEqual(made.count("http://www.w3.org/2000/09/xmldsig#sha1"), 1, "the posted hash alone")
        self.assertIn("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", made)
        body = (
            '<VerifySignatures xmlns="https://msign.gov.md"><request><Contents><VerificationContent>'
            f"<Content>{base64.b64encode(sha1).decode()}</Content><Signature>{base64.b64encode(made.encode()).decode()}</Signature>"
            "</VerificationContent></Contents><Language>en</Language><SignedContentType>Hash</SignedContentType></request></VerifySignatures>"
        )
        self.assertIn("<SignaturesValid>true</SignaturesValid>", self.call(body)[1])


class PhoneTest(SandboxCase):
    def test_by_http(self):
        """a phone is called, shows its code, refuses, is called again and confirms"""
        request_id = self.post(post_body(content(), expected=signer()))
        first = self.play(request_id, action="call", msisdn=MSISDN)["phone"]
        self.assertEqual(first["msisdn"], MSISDN)
        self.assertRegex(first["code"], "^[0-9]{4}$")
        self.assertEqual(self.asked("GET", request_id)[1]["phone"], first)
        self.assertEqual(self.play(request_id, action="refuse")["reason"], "user_cancelled")
        self.assertEqual(self.outcome(request_id)[0], "Pending", "it can be tried again")
        self.assertEqual(self.refused(request_id, action="confirm"), (409, "not_waiting"))

    def test_of_a_page(self):
        """a phone that a page called confirms by HTTP, and the page hears of it; its code is the same wherever it is shown"""
        page = SignPage(self.portal, self.post(post_body(content(), expected=signer())))
        self.assertEqual(page.call("claim", instrument="mobile")[0], 200)
        status, answer = page.call("mobile", msisdn=MSISDN)
        self.assertEqual((status, answer["test"]), (200, True))
        self.assertEqual(page.call("mobile", msisdn=MSISDN)[1], answer, "asked again it is the same call")
        self.assertEqual(self.asked("GET", page.id)[1]["phone"], {"msisdn": MSISDN, "code": answer["code"]})
        self.play(page.id, action="refuse")
        self.assertEqual(page.call("state")[1]["reason"], "user_cancelled")
        page.call("mobile", msisdn=MSISDN)
        self.assertEqual(page.call("state")[1]["reason"], "")
        self.assertEqual(self.play(page.id, action="confirm")["status"], "success")
        ended = page.call("state")[1]
        self.assertEqual((ended["status"], ended["return"]["fields"]["RequestID"]), ("success", page.id))
        self.assertIn(IDNP, self.signer_of(page.id))

    def test_on_the_page(self):
        """the person on the page is the phone too; another page is not"""
        page = SignPage(self.portal, self.post())
        page.call("claim", instrument="mobile")
        page.call("mobile", msisdn=MSISDN)
        other = SignPage(self.portal, page.id)
        self.assertEqual(other.call("phone", action="confirm")[1]["error"]["code"], "not_waiting")
        self.assertEqual(other.call("mobile", msisdn=MSISDN)[1]["error"]["code"], "held")
        self.assertEqual(page.call("phone", action="burn")[0], 400)
        self.assertEqual(page.call("mobile", msisdn="069123456")[0], 400)
        self.assertEqual(page.call("phone", action="refuse")[1]["reason"], "user_cancelled")
        page.call("mobile", msisdn=MSISDN)
        self.assertEqual(page.call("phone", action="confirm")[1]["status"], "success")

    def test_a_sandbox_under_a_contract_name(self):
        """an instrument of the kind sandbox may have the id that an e-service names"""
        page = SignPage(self.portal, self.post(), Instrument="moldsign")
        self.assertEqual((page.data["instrument"], page.data["test"]), ("moldsign", True))
        page.call("claim", instrument="moldsign")
        self.assertEqual(page.call("sandbox", action="sign", delay_ms=1)[1]["status"], "pending")
        until(lambda: page.call("state")[1]["status"] == "success", "it is signed")


class ProductionTest(SandboxCase):
    """A portal that is no sandbox, and one that may not be."""

    def setUp(self):
        self.place = self.folder / self.id().rpartition(".")[2]
        self.trust, self.cas = self.place / "trust", self.place / "cas"
        for folder in (self.place, self.trust, self.cas):
            folder.mkdir()
        self.anchor("Institution CA", self.trust)
        self.anchor("System CA", self.cas)

    def anchor(self, name, folder):
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj", f"/O=Institution/CN={name}"]
        subprocess.run([*words, "-keyout", os.devnull, "-out", folder / f"{name}.pem"], check=True, stderr=subprocess.DEVNULL)

    def production(self, more=""):
        portal = Portal(self.bin, self.place / "portal")
        text = portal.configuration.read_text().replace(f'[sandbox]\nfolder = "{portal.sandbox}"\n', "").replace(f'ca = "{portal.sandbox}"', f'ca = "{self.cas}"')
        text = text.replace('id = "sandbox"\nkind = "sandbox"\n', 'id = "moldsign"\n') + f'[signers]\ntrust = "{self.trust}"\n{more}'
        portal.configuration.write_text(text)
        return portal

    def assert_does_not_start(self, portal, *said):
        ran = portal.command("serve", check=False)
        self.assertEqual(ran.returncode, 78, ran.stdout + ran.stderr)
        for word in said:
            self.assertIn(word, ran.stderr)

    def test_a_sandbox_beside_an_anchor_of_no_test(self):
        """a sandbox does not start with a real anchor in signers.trust; with one of tests it does"""
        portal = Portal(self.bin, self.place / "portal", more=f'[signers]\ntrust = "{self.trust}"\n')
        portal.add_consumer("shop")
        self.assert_does_not_start(portal, "signers.trust", "anchors of tests")
        (self.trust / "Institution CA.pem").unlink()
        for attested in ("Attestation CA", "Contest CA"):  # which only contain the word
            self.anchor(attested, self.trust)
            self.assert_does_not_start(portal, "signers.trust")
            (self.trust / f"{attested}.pem").unlink()
        self.anchor("Institution TEST CA", self.trust)
        portal.start()
        self.assertEqual(portal.stop(), 0)

    def verdict(self, portal, signature):
        """(whether it is valid, the message) at the verification page."""
        body = json.dumps({"signature": signature, "algorithm": "sha256", "digest": base64.b64encode(digest("a")).decode(), "language": "en"})
        _, _, text = portal.at_pages("POST", "/verify", body, {"Content-Type": "application/json", "Origin": portal.pages})
        (told,) = json.loads(text)["signatures"]
        return told["valid"], told["message"]

    def refuses(self, portal, words):
        """That what was put into a folder is not taken, by the log and by readiness."""
        until(lambda: portal.operations("/ready")[0] == 503, "it is looked at", 10)
        self.assertIn(words, portal.operations("/ready")[1])
        self.assertRegex(portal.log.read_text(), f'warning.* trust_not_read detail=".*{words}')

    def test_a_real_anchor_beside_a_running_sandbox(self):
        """one that is put there while the sandbox runs counts for nothing, the log and /ready say so; taken away, all is well, and one of tests counts"""
        real, tests = (Middleware(self.place / name, IDNP, authority=authority) for name, authority in (("real", "Institution CA"), ("tests", "Institution TEST CA")))
        (self.trust / "Institution CA.pem").unlink()
        self.anchor("Another TEST CA", self.trust)
        portal = Portal(self.bin, self.place / "portal", more=f'[signers]\ntrust = "{self.trust}"\n')
        shop = portal.add_consumer("shop")
        portal.start()
        self.addCleanup(lambda: portal.stop())
        by_real, by_tests = (people.enveloping(digest("a")).decode() for people in (real, tests))
        not_trusted = (False, "The signature is not valid: the certificate's issuer is not trusted")

        def put(people):
            for file in people.trust.iterdir():
                shutil.copy(file, self.trust / f"{people.folder.name}-{file.name}")

        for both in (False, True):  # with one of tests beside it, neither is taken
            put(real)
            if both:
                put(tests)
            self.refuses(portal, "anchors of tests")
            self.assertEqual(self.verdict(portal, by_real), not_trusted)
            self.assertEqual(self.verdict(portal, by_tests), not_trusted)
            request_id = self.post(portal=portal, consumer=shop)
            self.assertEqual(self.asked("POST", request_id, '{"action": "sign"}', portal=portal)[1]["status"], "success", "it goes on with what it had")
            for file in [*self.trust.glob("real-*"), *self.trust.glob("tests-*")]:
                file.unlink()
            until(lambda: portal.operations("/ready") == (200, "ready\n"), "ready again", 10)
        put(tests)
        until(lambda: self.verdict(portal, by_tests)[0], "one of tests counts", 10)
        self.assertEqual((portal.operations("/ready")[0], self.verdict(portal, by_real)), (200, not_trusted))

    def test_production_with_a_sandbox_s_ca(self):
        """a portal that is no sandbox starts with a sandbox's CA neither in signers.trust nor in consumers.ca"""
        theirs = self.portal.sandbox / "sandbox-ca.pem"
        portal = self.production()
        shutil.copy(theirs, self.trust)
        self.assert_does_not_start(portal, "signers.trust", "sandbox")
        (self.trust / theirs.name).unlink()
        shutil.copy(theirs, self.cas)
        self.assert_does_not_start(portal, "consumers.ca", "sandbox")
        (self.cas / theirs.name).unlink()
        portal.start()
        self.addCleanup(portal.stop)
        shutil.copy(theirs, self.cas)
        self.refuses(portal, "consumers.ca: holds the CA of a sandbox")

    def test_production_refuses_what_a_sandbox_signed(self):
        """a sandbox's signature is not valid to a portal that is none, and nobody plays people there"""
        request_id = self.post(post_body(content(digest("a"))))
        self.play(request_id, action="sign")
        made = self.signature(request_id)
        portal = self.production()
        portal.start()
        self.addCleanup(portal.stop)
        self.assertEqual(self.verdict(portal, made), (False, "The signature is not valid: the certificate's issuer is not trusted"))
        status, _, text = portal.at_pages("POST", f"/sandbox/{request_id}", '{"action": "sign"}', {"Content-Type": "application/json"})
        self.assertEqual((status, '"code":"request_unknown"' in text), (404, True))
        with portal.configuration.open("a") as configuration:
            configuration.write('[[instruments]]\nid = "sandbox"\nkind = "sandbox"\n')
        ran = portal.command("serve", "--check", check=False)
        self.assertEqual(ran.returncode, 78)
        self.assertIn("need sandbox.folder", ran.stderr)

    def test_production_refuses_mobile_signatures_with_a_reason(self):
        """mobile, configured or only named by the e-service, is shown as not available with the reason, and cannot be claimed, called or confirmed"""
        shop = make_certificate(self.place, "shop", issuer := make_authority("System CA of institutions"))
        (self.cas / "issuer.pem").write_bytes(issuer[0].public_bytes(serialization.Encoding.PEM))
        portal = self.production()
        portal.command("consumer", "add", "shop", "--name", "Shop", "--address", "127.0.0.1", "--return-url", RETURN_URL, "--certificate", shop[0], "--active")
        portal.start()
        self.addCleanup(lambda: portal.stop())
        request_id = self.post(portal=portal, consumer=shop)
        not_there = {"id": "mobile", "kind": "mobile", "available": False, "reason": "no_phones"}

        def refused(page):
            self.assertEqual(page.call("claim", instrument="mobile"), (400, {"error": {"code": "instrument_unavailable", "message": "no_phones"}}))
            for call, parameters in {"mobile": {"msisdn": MSISDN}, "phone": {"action": "confirm"}}.items():
                self.assertEqual(page.call(call, **parameters)[0], 404)
            self.assertEqual(page.call("state")[1]["status"], "pending")

        self.assertEqual([one["id"] for one in SignPage(portal, request_id).data["instruments"]], ["moldsign"])
        named = SignPage(portal, self.post(post_body(content(), expected=signer()), portal=portal, consumer=shop))
        self.assertNotIn(IDNP, named.html, "nobody who has the link reads who is expected")
        named = SignPage(portal, request_id, Instrument="Mobile", MSISDN=MSISDN)
        self.assertEqual((named.status, named.data["instrument"], named.data["instruments"][-1]), (200, "mobile", not_there))
        refused(named)
        portal.stop()
        with portal.configuration.open("a") as configuration:
            configuration.write(MOBILE)
        portal.start()
        page = SignPage(portal, request_id)
        self.assertEqual(page.data["instruments"][-1], not_there)
        self.assertNotIn("instrument", page.data)
        refused(page)
        self.assertEqual(page.call("claim", instrument="moldsign")[0], 200)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
