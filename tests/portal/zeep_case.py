"""A portal with the consumers `shop` and `other`, and zeep as their client."""
import hashlib
import pathlib
import tempfile
import unittest

from portal_bench import Portal, SignPage, cannot_run

try:
    import requests
    import zeep
except ImportError as error:
    cannot_run(f"missing: {error.name} (python3-zeep)")

IDNP = "2001234567892"


class ZeepCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.portal = Portal(cls.bin, cls.folder, more=cls.configuration())
        cls.shop = cls.portal.add_consumer("shop")
        cls.other = cls.portal.add_consumer("other")
        cls.portal.start()
        cls.addClassCleanup(lambda: cls.portal.stop())

    @classmethod
    def configuration(cls):
        """What is added to the portal's."""
        return ""

    def client(self, consumer=None, portal=None):
        portal = portal or self.portal
        session = requests.Session()
        session.trust_env = False  # a proxy or CA file of the machine is not meant
        session.verify = str(portal.certificate)
        session.cert = tuple(map(str, consumer)) if consumer else None
        self.addCleanup(session.close)
        return zeep.Client(f"{portal.api}?singleWsdl", transport=zeep.Transport(session=session)).service

    def request(self, *texts, **more):
        contents = [{"Content": hashlib.sha256(text.encode()).digest(), "CorrelationID": f"c{i}", "Name": text} for i, text in enumerate(texts)]
        return {"ContentType": "Hash", "Contents": {"SignContent": contents}, "ShortContentDescription": "Two invoices <&>", **more}

    def fault(self, call, *arguments, **named):
        with self.assertRaises(zeep.exceptions.Fault) as fault:
            call(*arguments, **named)
        return fault.exception.code.rpartition(":")[2], fault.exception.message

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
