#!/usr/bin/python3
"""The verification page by HTTP: whose signatures over what it calls valid, and what it makes of what is no signature.

usage: verify_page_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import base64
import concurrent.futures
import hashlib
import json
import pathlib
import re
import socket
import sys
import tempfile
import unittest
import urllib.parse

from middleware_signature import Middleware
from portal_bench import WITHIN_S, Portal, SignPage, until
from wire_case import IDNP, WireCase, content, get_body, post_body

DOCUMENT = b"%PDF-1.7 the contract"
STRANGERS, OF_ONE = 32, 8  # who may wait for a verdict at once, and of them from one address
SCRIPT = "<script>alert(1)</script>"
SQL = "'; DROP TABLE requests; --"
VALID = {"en": "The signature is valid", "ro": "Semnătura este validă", "ru": "Подпись действительна"}
OTHER_CONTENT = {
    "en": "The signature is not valid: it is not over this content", "ro": "Semnătura nu este validă: nu aparține acestui conținut",
    "ru": "Подпись недействительна: она относится к другому содержимому",
}
MALFORMED = "The signature is not valid: it is not well formed"


def digest_of(data, algorithm="sha256"):
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


def signed_by_sandbox(case, data):
    """The signature over a document's hash, by the sandbox of the case's portal."""
    request_id = case.post(post_body(content(hashlib.sha256(data).digest())))
    page = SignPage(case.portal, request_id)
    page.call("claim", instrument="sandbox")
    case.assertEqual(page.call("sandbox", action="sign", idnp=IDNP)[1]["status"], "success")
    return base64.b64decode(re.search("<Signature>(.*?)</Signature>", case.call(get_body(request_id))[1]).group(1)).decode()


class VerifyPageTest(WireCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.middleware = Middleware(cls.folder / "people", IDNP, name=f"{SCRIPT}{SQL}")
        cls.portal = Portal(cls.bin, cls.folder, more=f'[signers]\ntrust = "{cls.middleware.trust}"\n')
        cls.shop = cls.portal.add_consumer("shop")
        cls.portal.start()
        cls.addClassCleanup(lambda: cls.portal.stop())
        cls.enveloping = cls.middleware.enveloping(hashlib.sha1(DOCUMENT).digest()).decode()

    def setUp(self):
        self.detached = signed_by_sandbox(self, DOCUMENT)

    def http(self, method, path, body=None, headers=None):
        return self.portal.at_pages(method, path, body, headers)

    def ask(self, body, headers=None, **more):
        headers = {"Content-Type": "application/json", "Origin": self.portal.pages} if headers is None else headers
        return self.http("POST", "/verify", body if isinstance(body, (str, bytes)) else json.dumps(body), headers, **more)

    def verified(self, signature, digest=None, language="en"):
        """What the page shows: one dictionary for each signature."""
        status, headers, text = self.ask({"signature": signature, "language": language, **({"digest": digest, "algorithm": "sha256"} if digest else {})})
        self.assertEqual((status, headers["Content-Type"], headers["X-Content-Type-Options"]), (200, "application/json", "nosniff"))
        return json.loads(text)["signatures"]

    def refused(self, signature, digest=None):
        one, = self.verified(signature, digest)
        self.assertFalse(one["valid"])
        return one["message"]

    def test_a_valid_one(self):
        """over the document's hash: valid, with signer and time, in three languages; an unknown one is Romanian"""
        for language, words in {**VALID, "xx": VALID["ro"]}.items():
            one, = self.verified(self.detached, digest_of(DOCUMENT), language)
            self.assertEqual((one["valid"], one["message"]), (True, words))
            self.assertIn(f"SERIALNUMBER={IDNP}", one["subject"])
            self.assertRegex(one["signed_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_another_document(self):
        """over another document's hash, or a hash of another kind of the same: clearly not, in three languages"""
        for language, words in OTHER_CONTENT.items():
            one, = self.verified(self.detached, digest_of(b"another"), language)
            self.assertEqual((one["valid"], one["message"]), (False, words))
        self.assertIn("not over this content", self.refused(self.detached, digest_of(DOCUMENT, "sha384")))
        self.assertIn("not over this content", self.refused(self.enveloping, digest_of(b"another", "sha1")))

    def test_without_the_document(self):
        """an enveloping one has the hash with it; for a detached one the page says that the document is needed"""
        one, = self.verified(self.enveloping)
        self.assertEqual((one["valid"], one["message"]), (True, VALID["en"]))
        self.assertEqual(self.refused(self.detached), "It cannot be told whether the signature is valid: the signed document is needed")

    def test_what_the_national_middleware_makes(self):
        """its enveloping SHA-1 shape over a hash is valid, by that hash too, with its time"""
        one, = self.verified(self.enveloping, digest_of(DOCUMENT, "sha1"))
        self.assertTrue(one["valid"], one)
        self.assertIn("signed_at", one)

    def test_what_was_changed(self):
        """one changed anywhere is not valid, and says that it was changed or is not whole"""
        value = re.search("<ds:SignatureValue[^>]*>([^<]{20})", self.detached).group(1)
        self.assertEqual(self.refused(self.detached.replace(value, value[::-1]), digest_of(DOCUMENT)), "The signature is not valid: it was changed or is damaged")
        for damaged in (
            re.sub(r"(<xades:SigningTime>)\d{4}", r"\g<1>2031", self.detached), self.detached.replace("xades:SigningCertificateV2", "xades:SigningCertificateV3"),
            re.sub("<ds:KeyInfo.*</ds:KeyInfo>", "", self.detached, flags=re.S),
        ):
            self.assertNotEqual(damaged, self.detached)
            self.assertIn("not valid", self.refused(damaged, digest_of(DOCUMENT)))

    def test_what_is_no_signature(self):
        """no XML, no signature in it, a DTD, half of one: not well formed"""
        for nonsense in ("", "x", "%PDF-1.7", "<a/>", "<a>", "\x00", "\ufffe", self.detached[:-20], "<a>" * 50_000, "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", SCRIPT, SQL, self.detached * 2):
            self.assertEqual(self.refused(nonsense, digest_of(DOCUMENT)), MALFORMED, nonsense[:20])

    def test_a_subject_of_script(self):
        """a name of markup and SQL comes as text, in an answer that no browser takes for a page; and everything is still there"""
        status, headers, text = self.ask({"signature": self.enveloping})
        self.assertEqual((status, headers["Content-Type"], headers["X-Content-Type-Options"]), (200, "application/json", "nosniff"))
        self.assertIn(f"CN={SCRIPT}{SQL}", json.loads(text)["signatures"][0]["subject"])
        self.assertTrue(self.portal.command("requests", "list").stdout)

    def test_two_in_one_file(self):
        """each signature of a file has its own verdict, and one bad one makes the message"""
        good, bad = (re.sub(r"<\?xml.*?\?>", "", one) for one in (self.enveloping, self.middleware.enveloping(b"x" * 20).decode()))
        value = re.search("<ds:SignatureValue[^>]*>([^<]{20})", bad).group(1)
        verdicts = self.verified(f"<all>{good}{bad.replace(value, value[::-1])}</all>")
        self.assertEqual([one["valid"] for one in verdicts], [True, False])

    def test_parameters_that_are_none(self):
        """no JSON, no signature, a hash of no known length: 400, and nothing is judged"""
        for body in (
            "", "[]", "null", "{", "{}", '{"signature": 7}', '{"signature": null}', '{"signature":' + "[" * 100_000, '{"signature":"<a/>","digest":"%"}', '{"signature":"<a/>","digest":"YWJj"}',
            '{"signature":"<a/>","digest":""}', '{"signature":"<a/>","digest":7}', b'{"signature":"\xed\xa0\x80"}',
        ):
            self.assertEqual(self.ask(body)[0], 400, body[:40])

    def test_of_its_own_page_alone(self):
        """another site's page, or a form, may not ask; nobody is told that he may"""
        body = {"signature": self.detached}
        for headers in (
            {"Content-Type": "application/json"}, {"Content-Type": "application/json", "Origin": "https://evil.example"}, {"Content-Type": "application/json", "Origin": "null"},
            {"Content-Type": "text/plain", "Origin": self.portal.pages}, {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.portal.pages},
        ):
            status, answered, _ = self.ask(body, headers)
            self.assertEqual((status, answered["Access-Control-Allow-Origin"]), (403, None))
        self.assertEqual(self.http("OPTIONS", "/verify", headers={"Origin": "https://evil.example"})[0], 404)

    def test_too_large(self):
        """3 MB are read; what is beyond the limit is 413 before it has come; strangers' limit is lower"""
        large = self.detached.replace("</ds:Signature>", " " * 3_000_000 + "</ds:Signature>")
        self.assertEqual(self.ask({"signature": large})[0], 200)
        for origin, size in ((self.portal.pages, 5_000_000), ("https://evil.example", 200_000)):
            with socket.create_connection(("127.0.0.1", self.portal.page_port), WITHIN_S) as connection:
                connection.sendall(f"POST /verify HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n{{".encode())
                self.assertEqual(connection.recv(64).split(b" ")[1], b"413")

    def test_the_page(self):
        """the page is in the asked language, marked as a test's, strict, and repeats nothing of its address"""
        for lang, accepted, spoken in (("ru", "en", "ru"), ("en", None, "en"), ("", None, "ro"), (None, "en-GB", "en"), ('"><script>', None, "ro")):
            query = "" if lang is None else f"?lang={urllib.parse.quote(lang)}&x={urllib.parse.quote(SCRIPT)}"
            status, headers, html = self.http("GET", f"/verify{query}", headers={"Accept-Language": accepted} if accepted else {})
            data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S).group(1))
            self.assertEqual((status, headers["Content-Language"], data), (200, spoken, {"page": "verify", "language": spoken, "test": True}))
            self.assertNotIn("alert(1)", html)
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'; script-src 'self'", policy)
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        self.assertEqual(self.http("HEAD", "/verify")[0::2], (200, ""))

    def test_nothing_is_kept(self):
        """asking stores nothing, and logs nothing of who signed or what"""
        before = self.portal.command("requests", "list").stdout
        self.verified(self.detached, digest_of(DOCUMENT))
        self.assertEqual(self.portal.command("requests", "list").stdout, before)
        log = self.portal.log.read_text()
        for personal in (IDNP, digest_of(DOCUMENT), "CN=", "alert(1)"):
            self.assertNotIn(personal, log)


class CrowdTest(WireCase):
    """Signers whose lists are at a service that takes connections and says nothing."""

    @classmethod
    def prepare(cls):
        cls.silent = socket.create_server(("127.0.0.1", 0))
        cls.addClassCleanup(cls.silent.close)
        people = Middleware(cls.folder / "people", IDNP, lists_at=f"http://127.0.0.1:{cls.silent.getsockname()[1]}/list.crl")
        cls.waits = people.enveloping(hashlib.sha1(DOCUMENT).digest()).decode()
        with cls.portal.configuration.open("a") as configuration:
            configuration.write(f'[signers]\ntrust = "{people.trust}"\n[revocation]\nprivate_addresses = true\ntimeout_ms = 15000\n')

    def ask(self, signature, address="127.0.0.1"):
        """(HTTP status, JSON)"""
        headers = {"Content-Type": "application/json", "Origin": self.portal.pages}
        status, _, text = self.portal.at_pages("POST", "/verify", json.dumps({"signature": signature, "language": "en"}), headers, address)
        return status, json.loads(text)

    def test_strangers_take_no_place_of_consumers(self):
        """while as many strangers wait as may, the next is told so at once, an e-service's verification is answered, and people sign; then there is room again"""
        with concurrent.futures.ThreadPoolExecutor(STRANGERS + 4) as crowd:
            of_one = [crowd.submit(self.ask, self.waits, "127.0.1.1") for _ in range(OF_ONE + 1)]
            until(lambda: sum(one.done() for one in of_one) == 1, "one address has all the places that it may")
            waiting = of_one + [crowd.submit(self.ask, self.waits, f"127.0.2.{1 + i // OF_ONE}") for i in range(STRANGERS - OF_ONE + 3)]
            until(lambda: sum(one.done() for one in waiting) == 4, "all places are taken")
            for one in [one for one in waiting if one.done()]:
                status, answer = one.result()
                self.assertEqual((status, answer["error"]["code"]), (503, "too_many"))
                waiting.remove(one)
            self.assertEqual(self.ask("<a/>")[0], 503)
            signature = signed_by_sandbox(self, DOCUMENT)
            body = (
                '<VerifySignatures xmlns="https://msign.gov.md"><request><Contents><VerificationContent>'
                f"<Content>{digest_of(DOCUMENT)}</Content><Signature>{base64.b64encode(signature.encode()).decode()}</Signature>"
                "</VerificationContent></Contents><Language>en</Language><SignedContentType>Hash</SignedContentType></request></VerifySignatures>"
            )
            self.assertIn("<SignaturesValid>true</SignaturesValid>", self.call(body)[1])
            self.assertFalse(any(one.done() for one in waiting), "they have waited all the while")
            self.silent.close()
            for one in waiting:
                status, answer = one.result(WITHIN_S)
                self.assertEqual(status, 200)
                self.assertIn("cannot be told now", answer["signatures"][0]["message"])
        self.assertEqual(self.ask("<a/>")[0], 200)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
