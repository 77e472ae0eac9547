#!/usr/bin/python3
"""zeep, a SOAP client that others made, does all operations of the portal and reads its faults.

usage: zeep_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import hashlib
import pathlib
import sys
import tempfile
import unittest

from portal_bench import RETURN_URL, Portal, SignPage, cannot_run

try:
    import requests
    import zeep
except ImportError as error:
    cannot_run(f"missing: {error.name} (python3-zeep)")

IDNP = "2001234567892"


class ZeepTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.portal = Portal(cls.bin, folder.name)
        cls.shop = cls.portal.add_consumer("shop")
        cls.other = cls.portal.add_consumer("other")
        cls.portal.start()
        cls.addClassCleanup(lambda: cls.portal.stop())

    def client(self, consumer=None):
        session = requests.Session()
        session.trust_env = False  # a proxy or CA file of the machine is not meant
        session.verify = str(self.portal.certificate)
        session.cert = tuple(map(str, consumer)) if consumer else None
        self.addCleanup(session.close)
        return zeep.Client(f"{self.portal.api}?singleWsdl", transport=zeep.Transport(session=session)).service

    def request(self, *texts, **more):
        contents = [{"Content": hashlib.sha256(text.encode()).digest(), "CorrelationID": f"c{i}", "Name": text} for i, text in enumerate(texts)]
        return {"ContentType": "Hash", "Contents": {"SignContent": contents}, "ShortContentDescription": "Two invoices <&>", **more}

    def fault(self, call, *arguments, **named):
        with self.assertRaises(zeep.exceptions.Fault) as fault:
            call(*arguments, **named)
        return fault.exception.code.rpartition(":")[2], fault.exception.message

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

    def signed(self, service, *texts):
        """The signatures over the hashes of some texts."""
        request_id = service.PostSignRequest(self.request(*texts))
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("sandbox", action="sign", idnp=IDNP)[1]["status"], "success")
        return [result.Signature for result in service.GetSignResponse(requestID=request_id).Results.SignResult]

    def verified(self, service, *pairs, language=None):
        """The results for pairs of text and signature."""
        contents = [{"Content": hashlib.sha256(text.encode()).digest(), "CorrelationID": f"v{i}", "Signature": signature} for i, (text, signature) in enumerate(pairs)]
        request = {"Contents": {"VerificationContent": contents}, "SignedContentType": "Hash", "Language": language}
        return service.VerifySignatures(request).VerificationResult  # zeep takes off the only element within

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


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    ZeepTest.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
