#!/usr/bin/python3
"""zeep, a SOAP client that others made, does all operations of the portal and reads its faults.

usage: zeep_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import hashlib
import pathlib
import re
import sys
import unittest

from agent_signatures import Agent
from middleware_signature import Middleware
from portal_bench import RETURN_URL, SignPage, until
from zeep_case import IDNP, ZeepCase

from cryptography.hazmat.primitives.serialization import Encoding


class ZeepTest(ZeepCase):
    def test_a_request_is_posted_signed_and_fetched(self):
        service = self.client(self.shop)
        request_id = service.PostSignRequest(self.request("a.pdf", "ț.pdf", ExpectedSigner={"ID": IDNP, "DelegatorType": "None", "DelegatedRoleID": 0}))
        self.assertRegex(request_id, "^[0-9a-f]{32}$")
        pending = service.GetSignResponse(requestID=request_id, language="ro")
        self.assertEqual((pending.Status, pending.Results), ("Pending", None))

        page = SignPage(self.portal, request_id, relay_state="a=b&c=ț<>\"'")
        self.assertEqual(page.data["documents"]["names"], ["a.pdf", "ț.pdf"])
        self.assertEqual(page.data["short_description"], "Two invoices <&>")
        self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
        status, done = page.call("sandbox", action="sign")
        self.assertEqual((status, done["status"], done["signed"]), (200, "success", 2))
        self.assertEqual(done["return"], {"url": RETURN_URL, "fields": {"RequestID": request_id, "RelayState": "a=b&c=ț<>\"'"}})

        response = service.GetSignResponse(requestID=request_id)
        self.assertEqual(response.Status, "Success")
        self.assertEqual([result.CorrelationID for result in response.Results.SignResult], ["c0", "c1"])
        for result in response.Results.SignResult:
            self.assertIn(b"xades:SignatureTimeStamp", result.Signature)
            self.assertIn(IDNP.encode(), result.Certificate)

    def test_what_was_signed_verifies_and_what_was_changed_does_not(self):
        service = self.client(self.shop)
        signature, = self.signed(service, "a.pdf")
        at = signature.index(b"<ds:SignatureValue") + 120
        damaged = signature[:at] + (b"A" if signature[at:at + 1] != b"A" else b"B") + signature[at + 1:]
        good, other, broken, nonsense = self.verified(
            service, ("a.pdf", signature), ("b.pdf", signature), ("a.pdf", damaged), ("a.pdf", b"no signature"), language="en"
        )
        self.assertEqual((good.CorrelationID, good.SignaturesValid, good.Message), ("v0", True, "The signature is valid"))
        certificate, = good.Certificates.VerificationCertificate
        self.assertTrue(certificate.SignatureValid)
        self.assertIsNotNone(certificate.SignedAt)
        self.assertRegex(certificate.Subject, f"SERIALNUMBER={IDNP}")
        self.assertRegex(certificate.Subject, "CN=TEST [0-9]{13}$")
        for result in (other, broken, nonsense):
            self.assertFalse(result.SignaturesValid)
            self.assertIn("not valid", result.Message)
        said = [self.verified(service, ("a.pdf", signature), ("b.pdf", signature), language=language) for language in ("ro", "ru", None)]
        self.assertEqual([result.Message for results in said for result in results if result.SignaturesValid],
                         ["Semnătura este validă", "Подпись действительна", "Semnătura este validă"])
        self.assertIn("Semnătura nu este validă", said[0][1].Message)

    def test_giving_up_is_a_failure_with_its_reason_in_three_languages(self):
        service = self.client(self.shop)
        request_id = service.PostSignRequest(self.request("a.pdf"))
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("give_up", reason="user_cancelled")[1]["status"], "failure")
        said = {language: service.GetSignResponse(requestID=request_id, language=language) for language in ("ro", "ru", "en", "xx")}
        self.assertEqual({answer.Status for answer in said.values()}, {"Failure"})
        self.assertEqual(said["en"].Message, "Signing was cancelled by the user.")
        self.assertEqual(said["ro"].Message, "Semnarea a fost anulată de utilizator.")
        self.assertEqual(said["ru"].Message, "Подписание отменено пользователем.")
        self.assertEqual(said["xx"].Message, said["ro"].Message, "an unknown language is Romanian")

    def test_giving_up_in_the_midst_keeps_what_is_signed(self):
        """a batch that was given up when one of three was signed has failed with its reason, and the one result is read and verifies"""
        service = self.client(self.shop)
        made, = self.signed(service, "b.pdf")
        request_id = service.PostSignRequest(self.request("a.pdf", "b.pdf", "c.pdf"))
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("save", results=[{"number": 1, "signature": made.decode()}])[1]["saved"], 1)
        self.assertEqual(page.call("give_up", reason="token_removed")[1]["status"], "failure")
        answer = service.GetSignResponse(requestID=request_id, language="en")
        self.assertEqual((answer.Status, answer.Message), ("Failure", "The signing device was not there."))
        result, = answer.Results.SignResult
        self.assertEqual((result.CorrelationID, result.Signature), ("c1", made))
        self.assertIn(IDNP.encode(), result.Certificate)
        self.assertTrue(self.verified(service, ("b.pdf", result.Signature))[0].SignaturesValid)

    def test_the_four_faults_are_read_by_their_names(self):
        code, reason = self.fault(self.client().PostSignRequest, self.request("a.pdf"))
        self.assertEqual(code, "AuthenticationFailed")
        self.assertIn("Invalid authentication certificate provided", reason)
        request_id = self.client(self.shop).PostSignRequest(self.request("a.pdf"))
        self.assertEqual(
            self.fault(self.client(self.other).GetSignResponse, requestID=request_id),
            ("AuthorizationFailed", "This signature request was not initiated by this system"),
        )
        self.assertEqual(self.fault(self.client(self.shop).GetSignResponse, requestID="0" * 32), ("RequestNotFound", "Cannot find such request"))
        code, reason = self.fault(self.client(self.shop).PostSignRequest, self.request("a.pdf", ExpectedSigner={"ID": "12", "DelegatorType": "None", "DelegatedRoleID": 0}))
        self.assertEqual(code, "InvalidParameter")
        self.assertIn("ExpectedSigner.ID", reason)


class VerifyCase(ZeepCase):
    def setUp(self):
        self.service = self.client(self.shop)

    def verified(self, *triples, language="en", kind="Hash"):
        """The results for (hash, signature) pairs."""
        contents = [{"Content": value, "CorrelationID": f"v{i}", "Signature": signature} for i, (value, signature) in enumerate(triples)]
        return self.service.VerifySignatures({"Contents": {"VerificationContent": contents}, "SignedContentType": kind, "Language": language}).VerificationResult

    def assert_refused(self, pair, words):
        result, = self.verified(pair)
        self.assertEqual((result.SignaturesValid, result.Message), (False, words))


class AgentTest(VerifyCase):
    """VerifySignatures of what people's agents make."""

    @classmethod
    def configuration(cls):
        cls.agent = Agent(cls.bin, cls.folder / "agent")
        cls.addClassCleanup(cls.agent.stop)
        return f'[signers]\ntrust = "{cls.agent.trust}"\n'

    def test_detached_and_enveloping(self):
        """each packaging, level and length is valid over its hash, with a time where there is a stamp, and over no other"""
        kinds = [(packaging, level, name) for packaging in ("detached", "enveloping") for level in ("b", "t") for name in ("sha256", "sha384", "sha512")]
        values = [hashlib.new(name, b"a.pdf").digest() for _, _, name in kinds]
        signatures = [self.agent.sign(name, value, "--packaging", packaging, "--level", level) for (packaging, level, name), value in zip(kinds, values, strict=True)]
        for (packaging, level, name), result in zip(kinds, self.verified(*zip(values, signatures, strict=True)), strict=True):
            with self.subTest(f"{packaging} {level} {name}"):
                self.assertEqual((result.SignaturesValid, result.Message), (True, "The signature is valid"))
                certificate, = result.Certificates.VerificationCertificate
                self.assertEqual(certificate.SignedAt is not None, level == "t")
                self.assertIn("SERIALNUMBER=", certificate.Subject)
        others = [hashlib.new(name, b"b.pdf").digest() for _, _, name in kinds]
        for result in self.verified(*zip(others, signatures, strict=True)):
            self.assertEqual((result.SignaturesValid, result.Message), (False, "The signature is not valid: it is not over this content"))


class MiddlewareTest(VerifyCase):
    """VerifySignatures of what the national middleware makes over a hash."""

    @classmethod
    def configuration(cls):
        cls.middleware = Middleware(cls.folder / "people", IDNP)
        return f'[signers]\ntrust = "{cls.middleware.trust}"\n'

    def test_enveloping_hashes_of_each_length(self):
        """SHA-1 below, over hashes of each length: valid, with signer, certificate and time, in three languages"""
        pairs = [(value, self.middleware.enveloping(value)) for value in (hashlib.new(name, b"a.pdf").digest() for name in ("sha1", "sha224", "sha256", "sha384", "sha512"))]
        for language, words in (("en", "The signature is valid"), ("ro", "Semnătura este validă"), ("ru", "Подпись действительна"), ("de", "Semnătura este validă")):
            for number, result in enumerate(self.verified(*pairs, language=language)):
                self.assertEqual((result.CorrelationID, result.SignaturesValid, result.Message), (f"v{number}", True, words))
                certificate, = result.Certificates.VerificationCertificate
                self.assertTrue(certificate.SignatureValid)
                self.assertEqual(certificate.Certificate, self.middleware.certificate.public_bytes(Encoding.DER))
                self.assertEqual(certificate.Subject, f"C=MD, SERIALNUMBER={IDNP}, CN=Ion Țurcanu")
                self.assertIsNotNone(certificate.SignedAt)

    def test_another_hash_and_another_algorithm(self):
        """the hash of another file, or another hash of the same one, is not what was signed"""
        signature = self.middleware.enveloping(hashlib.sha1(b"a.pdf").digest())
        for value in (hashlib.sha1(b"b.pdf").digest(), hashlib.sha256(b"a.pdf").digest()):
            self.assert_refused((value, signature), "The signature is not valid: it is not over this content")

    def test_what_was_changed(self):
        """the object, the properties or the value changed: each is found; a time stamp that does not hold is left out, and told"""
        value = hashlib.sha1(b"a.pdf").digest()
        signature = self.middleware.enveloping(value)
        other = self.middleware.enveloping(hashlib.sha1(b"b.pdf").digest())

        def part(document, name):
            begin, end = document.index(b"<" + name), document.index(b"</" + name + b">")
            return document[begin:end].split(b">", 1)[1]

        def with_other(name):
            changed = signature.replace(part(signature, name), part(other, name))
            self.assertNotEqual(changed, signature)
            return changed

        changed, damaged = "The signature is not valid: it is not over this content", "The signature is not valid: it was changed or is damaged"
        object_ = re.sub(rb"(<ds:Object Encoding[^>]*>)\w{4}", rb"\1AAAA", signature)
        self.assert_refused((value, object_), changed)
        self.assert_refused((value, signature.replace(b"<xades:Description>hash", b"<xades:Description>hasx")), changed)
        self.assert_refused((value, with_other(b"ds:SignatureValue")), damaged)
        result, = self.verified((value, with_other(b"xades:EncapsulatedTimeStamp")))
        self.assertIsNone(result.Certificates.VerificationCertificate[0].SignedAt, "no time that nothing proves")
        self.assertEqual((result.SignaturesValid, result.Message),
                         (True, "The signature is valid, but its time stamp is not: nothing proves when it was made"))

    def test_without_a_time_stamp(self):
        """a B-B is judged by now, and says no time"""
        value = hashlib.sha256(b"a.pdf").digest()
        result, = self.verified((value, self.middleware.enveloping(value, stamped=False)))
        self.assertTrue(result.SignaturesValid)
        self.assertIsNone(result.Certificates.VerificationCertificate[0].SignedAt)

    def test_one_bad_among_good(self):
        """each content has its own verdict, in the order in which they came"""
        value = hashlib.sha256(b"a.pdf").digest()
        good = self.middleware.enveloping(value)
        results = self.verified((value, good), (value, b"<x/>"), (value, good), (b"x" * 32, good))
        self.assertEqual([(result.CorrelationID, result.SignaturesValid) for result in results], [("v0", True), ("v1", False), ("v2", True), ("v3", False)])

    def test_a_revoked_signer(self):
        """once the signer is on the list, without a restart, the signature is not valid; then again as it was"""
        value = hashlib.sha256(b"a.pdf").digest()
        signature = self.middleware.enveloping(value)
        self.middleware.revoke(self.middleware.certificate)
        try:
            until(lambda: not self.verified((value, signature))[0].SignaturesValid, "the list counts")
            self.assert_refused((value, signature), "The signature is not valid: the certificate was revoked")
        finally:
            self.middleware.revoke()
        until(lambda: self.verified((value, signature))[0].SignaturesValid, "the list counts")

    def test_what_is_not_taken(self):
        """Pdf, no hash, a hash of no known length, no signature: InvalidParameter names the field"""
        value = hashlib.sha256(b"a.pdf").digest()
        for field, pairs, kind in (
            ("SignedContentType", [(value, b"%PDF-1.7")], "Pdf"), ("Contents[0].Content", [(None, b"<x/>")], "Hash"), ("Contents[1].Content", [(value, b"<x/>"), (b"x" * 33, b"<x/>")], "Hash"),
            ("Contents[0].Signature", [(value, b"")], "Hash"),
        ):
            code, reason = self.fault(self.verified, *pairs, kind=kind)
            self.assertEqual((code, reason.split(":")[0]), ("InvalidParameter", field))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    ZeepCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
