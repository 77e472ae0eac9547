"""What clients that others made must be able to do at the portal: the same for each of them."""
import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from portal_bench import RETURN_URL, Portal, SignPage

IDNP = "2001234567892"
RUN_WITHIN_S = 60  # mono starts slowly on a busy machine


class ClientCase:
    """To be mixed into a unittest.TestCase that has command(p12), the beginning of the client's command line.

    The client's programs take `post`, `get` and `verify` (judges/msign_client.*) and print a word and its value a line.
    """

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.portal = Portal(cls.bin, cls.folder)
        cls.shop, cls.other = (cls.portal.add_consumer(name)[0].with_suffix(".p12") for name in ("shop", "other"))
        cls.portal.start()
        cls.addClassCleanup(lambda: cls.portal.stop())

    def run_client(self, p12, *words):
        """(exit code, [(word, value), …])"""
        environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(self.portal.certificate), "LC_ALL": "C.UTF-8"}
        ran = subprocess.run(
            [*self.command(p12), *words], capture_output=True, text=True, encoding="utf-8", check=False, timeout=RUN_WITHIN_S, env=environment
        )
        self.assertIn(ran.returncode, (0, 1), ran.stdout + ran.stderr)
        self.assertTrue(ran.stdout, ran.stderr)
        return ran.returncode, [tuple(line.split(" ", 1)) for line in ran.stdout.splitlines()]

    def done(self, p12, *words):
        code, said = self.run_client(p12, *words)
        self.assertEqual(code, 0, said)
        return said

    def fault(self, p12, *words):
        """(code, reason)"""
        code, said = self.run_client(p12, *words)
        self.assertEqual((code, [word for word, _ in said]), (1, ["fault", "reason"]), said)
        return tuple(value for _, value in said)

    def post(self, *texts, signer="-"):
        ((word, request_id),) = self.done(self.shop, "post", signer, *texts)
        self.assertEqual(word, "request")
        self.assertRegex(request_id, "^[0-9a-f]{32}$")
        return request_id

    def sign(self, request_id):
        page = SignPage(self.portal, request_id)
        self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
        status, done = page.call("sandbox", action="sign")
        self.assertEqual((status, done.get("status")), (200, "success"))
        return page, done

    def test_a_request_is_posted_signed_and_fetched(self):
        """what was posted is pending, and once it is signed the signatures come back in its order, by who was expected"""
        request_id = self.post("a.pdf", "ț.pdf", signer=IDNP)
        self.assertEqual(self.done(self.shop, "get", request_id), [("status", "Pending"), ("message", "-")])
        page, done = self.sign(request_id)
        self.assertEqual(page.data["short_description"], "Două facturi <&>")
        self.assertEqual(done["return"], {"url": RETURN_URL, "fields": {"RequestID": request_id}})
        said = self.done(self.shop, "get", request_id, "en")
        self.assertEqual(said[:2], [("status", "Success"), ("message", "-")])
        results = [value.split() for word, value in said[2:]]
        self.assertEqual([result[0] for result in results], ["c0", "c1"])
        for _, signature, certificate in results:
            self.assertIn(b"xades:SignatureTimeStamp", base64.b64decode(signature))
            self.assertIn(IDNP.encode(), base64.b64decode(certificate))

    def test_giving_up_is_a_failure_with_a_message(self):
        """a request that somebody gave up has failed, has no results, and says why in the language that was asked for"""
        request_id = self.post("a.pdf")
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        self.assertEqual(page.call("give_up", reason="user_cancelled")[1]["status"], "failure")
        for language, words in (("ro", "Semnarea a fost anulată de utilizator."), ("en", "Signing was cancelled by the user.")):
            self.assertEqual(self.done(self.shop, "get", request_id, language), [("status", "Failure"), ("message", words)])

    def test_giving_up_in_the_midst_keeps_what_is_signed(self):
        """a batch that somebody gave up when one of three was signed has failed, with its reason and the one result, which verifies"""
        ((_, made),) = self.done(self.shop, "get", self.sign(self.post("b.pdf"))[0].id)[2:]
        request_id = self.post("a.pdf", "b.pdf", "c.pdf")
        page = SignPage(self.portal, request_id)
        page.call("claim", instrument="sandbox")
        _, saved = page.call("save", results=[{"number": 1, "signature": base64.b64decode(made.split()[1]).decode()}])
        self.assertEqual((saved["saved"], saved["status"]), (1, "pending"))
        self.assertEqual(self.done(self.shop, "get", request_id), [("status", "Pending"), ("message", "-")], "no results before the end")
        self.assertEqual(page.call("give_up", reason="token_removed")[1]["status"], "failure")
        said = self.done(self.shop, "get", request_id, "en")
        self.assertEqual(said[:2], [("status", "Failure"), ("message", "The signing device was not there.")])
        ((word, result),) = said[2:]
        self.assertEqual((word, result.split()), ("result", ["c1", *made.split()[1:]]))
        self.assertTrue(self.done(self.shop, "verify", "b.pdf", result.split()[1])[0][1].startswith("v0 True "))

    def test_nobody_is_let_in_without_a_certificate(self):
        """without a client certificate the client reads AuthenticationFailed, and no failed connection"""
        code, reason = self.fault(None, "post", "-", "a.pdf")
        self.assertEqual(code, "AuthenticationFailed")
        self.assertIn("Invalid authentication certificate provided", reason)

    def test_the_other_three_faults_are_read_by_their_names(self):
        """AuthorizationFailed, RequestNotFound and InvalidParameter, each with the contract's words"""
        request_id = self.post("a.pdf")
        self.assertEqual(
            self.fault(self.other, "get", request_id), ("AuthorizationFailed", "This signature request was not initiated by this system")
        )
        self.assertEqual(self.fault(self.shop, "get", "0" * 32), ("RequestNotFound", "Cannot find such request"))
        code, reason = self.fault(self.shop, "post", "12", "a.pdf")
        self.assertEqual(code, "InvalidParameter")
        self.assertIn("ExpectedSigner.ID", reason)

    def test_a_signature_is_verified(self):
        """what was signed is valid, with its signer and time; over another hash it is not"""
        request_id = self.post("a.pdf")
        self.sign(request_id)
        ((_, result),) = self.done(self.shop, "get", request_id)[2:]
        signature = result.split()[1]
        said = self.done(self.shop, "verify", "a.pdf", signature)
        self.assertTrue(said[0][1].startswith("v0 True "), said)
        self.assertRegex(said[1][1], r"^True \d{4}-\d\d-\d\dT\S+Z .*CN=TEST")
        said = self.done(self.shop, "verify", "b.pdf", signature)
        self.assertTrue(said[0][1].startswith("v0 False "), said)


def main(case, documentation):
    if len(sys.argv) < 2:
        sys.exit(documentation)
    case.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
