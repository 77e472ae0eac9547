#!/usr/bin/python3
"""Signatures that come without a time stamp, at a portal that adds it: TSAs that answer, do not, or answer nonsense.

usage: time_stamps_test.py FOLDER-OF-SIGNET-PORTAL [unittest's arguments]

The time stamps are those of `signet demo tsa`; what misbehaves stands before it. Exit code 77 (1 where CI=true) when this machine cannot
run it.
"""
import base64
import http.server
import pathlib
import re
import subprocess
import sys
import threading
import unittest
import urllib.request

from portal_bench import WITHIN_S, Portal, SignPage, free_port, until
from wire_case import WireCase, content, digest, get_body, post_body, signer

UNSIGNED = re.compile("<xades:UnsignedProperties.*</xades:UnsignedProperties>", re.S)


class Tsa:
    """`signet demo tsa` behind a server that can misbehave. `does` is what it does with the next request."""

    def __init__(self, bin_folder, folder, case):
        self.asked, self.does, self.freed = 0, "good", threading.Event()
        signet = pathlib.Path(bin_folder) / "signet"
        if not folder.exists():
            subprocess.run([signet, "demo", "pki", folder, "--keys", "p256"], check=True, stdout=subprocess.DEVNULL)
        process = subprocess.Popen([signet, "demo", "tsa", folder], stdout=subprocess.PIPE, text=True)
        case.addClassCleanup(process.wait, WITHIN_S)
        case.addClassCleanup(process.terminate)
        behind = process.stdout.readline().strip()
        case.addClassCleanup(process.stdout.close)
        tsa = self

        class Front(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                tsa.asked += 1
                if tsa.does == "silent":
                    tsa.freed.wait(WITHIN_S)
                if tsa.does in ("silent", "gone"):
                    self.close_connection = True
                    return
                status, answer = {"rubbish": (200, b"no time stamp"), "error": (500, b""), "echo": (200, body)}.get(tsa.does, (200, None))
                if answer is None:
                    request = urllib.request.Request(behind, data=body, headers={"Content-Type": "application/timestamp-query"})
                    with urllib.request.urlopen(request, timeout=WITHIN_S) as given:
                        answer = given.read()
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        case.addClassCleanup(server.server_close)
        case.addClassCleanup(server.shutdown)
        case.addClassCleanup(self.freed.set)
        self.url = f"http://127.0.0.1:{server.server_port}/"

    def be(self, does):
        self.does, self.asked = does, 0
        self.freed.clear()


class StampCase(WireCase):
    """A portal with three TSAs: nobody listens at the first, the others do what they are told."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.portal.stop()
        pki = cls.folder / "pki"
        cls.first, cls.second = Tsa(cls.bin, pki, cls), Tsa(cls.bin, pki, cls)
        trust = cls.folder / "trust"
        trust.mkdir()
        for name in ("demo-ca.pem", "demo-ca.crl.pem"):
            (trust / name).write_bytes((pki / name).read_bytes())
        urls = ", ".join(f'"{url}"' for url in (f"http://127.0.0.1:{free_port()}/", cls.first.url, cls.second.url))
        with cls.portal.configuration.open("a") as configuration:
            configuration.write(f'[signers]\ntrust = "{trust}"\n[time_stamping]\nurls = [{urls}]\ntries = 1\ntimeout_ms = 8000\nrest_after_failure_ms = 600000\n')
        cls.portal.start()

    def setUp(self):
        self.be("good", "good")

    def be(self, first, second):
        self.first.be(first)
        self.second.be(second)

    def claimed(self, *texts):
        """A page that holds a request for the hashes of the texts."""
        page = SignPage(self.portal, self.post(post_body(*(content(digest(text)) for text in texts), expected=signer())))
        self.assertEqual(page.call("claim", instrument="sandbox")[0], 200)
        return page

    def whole(self, text):
        """A signature of the sandbox's over the text's hash, with its time stamp."""
        page = self.claimed(text)
        self.assertEqual(page.call("sandbox", action="sign")[1]["status"], "success")
        return self.results(page)[0]

    def bare(self, text):
        """Without it: B-B."""
        made = UNSIGNED.sub("", self.whole(text))
        self.assertNotIn("SignatureTimeStamp", made)
        return made

    def results(self, page):
        return [base64.b64decode(found).decode() for found in re.findall("<Signature>(.*?)</Signature>", self.call(get_body(page.id))[1])]

    def save(self, page, *signatures, **more):
        """(saved, {number: code of what was refused}, status)"""
        status, answer = page.call("save", results=[{"number": number, "signature": signature} for number, signature in enumerate(signatures)], **more)
        self.assertEqual(status, 200, answer)
        return answer["saved"], {refused["number"]: refused["code"] for refused in answer["refused"]}, answer["status"]

    def verified(self, text, signature):
        body = (
            '<VerifySignatures xmlns="https://msign.gov.md"><request><Contents><VerificationContent>'
            f"<Content>{base64.b64encode(digest(text)).decode()}</Content><Signature>{base64.b64encode(signature.encode()).decode()}</Signature>"
            "</VerificationContent></Contents><Language>en</Language><SignedContentType>Hash</SignedContentType></request></VerifySignatures>"
        )
        return self.call(body)[1]


class AddedTest(StampCase):
    def test_a_time_stamp_is_added(self):
        """a B-B signature gets its time stamp here and is given to the e-service as B-T, otherwise as it came"""
        page = self.claimed("a")
        self.assertEqual(page.call("claim", instrument="sandbox")[1]["level"], "b", "the agent need make none")
        bare = self.bare("a")
        self.assertEqual(self.save(page, bare), (1, {}, "success"))
        (made,) = self.results(page)
        self.assertEqual(UNSIGNED.sub("", made), bare)
        self.assertEqual(made.count("<xades:EncapsulatedTimeStamp>"), 1)
        answer = self.verified("a", made)
        self.assertIn("<SignaturesValid>true</SignaturesValid>", answer)
        self.assertIn("<SignedAt>", answer, "only with a valid time stamp")
        self.assertEqual((self.first.asked, self.second.asked), (1, 0))

    def test_openssl_reads_it(self):
        """the token is over the SignatureValue element, as OpenSSL judges it"""
        page = self.claimed("a")
        self.save(page, self.bare("a"))
        (made,) = self.results(page)
        # In exclusive canonical form: as it stands, with the namespace that it uses.
        element = re.search("<ds:SignatureValue .*?</ds:SignatureValue>", made).group(0)
        element = element.replace("<ds:SignatureValue ", '<ds:SignatureValue xmlns:ds="http://www.w3.org/2000/09/xmldsig#" ', 1)
        data, token = self.folder / "value.xml", self.folder / "token.der"
        data.write_text(element)
        token.write_bytes(base64.b64decode(re.search("<xades:EncapsulatedTimeStamp>(.*?)<", made).group(1)))
        words = ["openssl", "ts", "-verify", "-data", data, "-in", token, "-token_in", "-CAfile", self.folder / "pki" / "demo-ca.pem"]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertIn("Verification: OK", ran.stdout + ran.stderr)
        data.write_text(element.replace("ds:", "dx:"))
        self.assertNotIn("Verification: OK", subprocess.run(words, capture_output=True, text=True, check=False).stdout)

    def test_many_at_once(self):
        """all of a chunk are stamped, those that have a time stamp stay as they are"""
        texts = [f"text {number}" for number in range(30)]
        page, whole = self.claimed(*texts, "whole"), self.whole("whole")
        signing = self.claimed(*texts)
        signing.call("sandbox", action="sign")
        bare = [UNSIGNED.sub("", made) for made in self.results(signing)]
        self.assertEqual(self.save(page, *bare, whole), (31, {}, "success"))
        made = self.results(page)
        self.assertEqual([UNSIGNED.sub("", one) for one in made[:30]], bare)
        self.assertTrue(all("SignatureTimeStamp" in one for one in made))
        self.assertEqual(len(set(UNSIGNED.search(one).group(0) for one in made)), 31)
        self.assertEqual(made[30], whole)
        self.assertEqual(self.first.asked, 30)

    def test_what_lacks_more_than_a_time_stamp_gets_none(self):
        """a signature that is refused for another reason is, and no TSA hears of it"""
        bare = self.bare("a")
        wrong = re.sub("<ds:SignatureValue([^>]*)>...", r"<ds:SignatureValue\1>AAA", bare)
        for signature, code in ((self.bare("b"), "other_hash"), (wrong, "signature_invalid"), ("<a/>", "signature_invalid")):
            self.assertEqual(self.save(self.claimed("a"), signature), (0, {0: code}, "pending"))
        self.assertEqual((self.first.asked, self.second.asked), (0, 0))

    def test_what_people_count(self):
        """added time stamps stand in the log, without anything personal"""
        self.save(self.claimed("a"), self.bare("a"))
        self.assertIn("time_stamped saved=1 refused=0", self.portal.log.read_text())


class TroubleTest(StampCase):
    def test_the_next_one_is_asked(self):
        """where a TSA is down, errs, or answers nonsense, the next one's time stamp is taken"""
        for trouble in ("gone", "error", "rubbish", "echo"):
            with self.subTest(trouble):
                self.be(trouble, "good")
                page = self.claimed("a")
                self.assertEqual(self.save(page, self.bare("a")), (1, {}, "success"))
                self.assertEqual((self.first.asked, self.second.asked), (1, 1))
                self.assertIn("<SignedAt>", self.verified("a", self.results(page)[0]))

    def test_none_of_them_answers(self):
        """the page is told so and nothing is stored; after a failure no TSA is asked until somebody tries again, and then it works"""
        page, bare = self.claimed("a", "b"), self.bare("a")
        self.be("rubbish", "gone")
        self.assertEqual(self.save(page, bare, again=True), (0, {0: "time_stamp_failed"}, "pending"))
        self.assertEqual((self.first.asked, self.second.asked), (1, 1))
        self.assertIn("time_stamp_failed", self.portal.log.read_text())
        self.assertEqual((self.results(page), page.call("state")[1]["signed"]), ([], 0))
        self.assertEqual(self.save(page, bare, self.whole("b")), (1, {0: "time_stamp_failed"}, "pending"), "what has one is saved")
        self.assertEqual((self.first.asked, self.second.asked), (1, 1), "they rest")
        self.be("good", "good")
        self.assertEqual(self.save(page, bare, again=True), (1, {}, "success"))
        self.assertEqual(len(self.results(page)), 2)

    def test_what_is_saved_is_not_stamped_again(self):
        """results that are brought again, as after a broken connection, make no work for a TSA, and are no refusal whatever they are now"""
        page, a, b = self.claimed("a", "b"), self.bare("a"), self.bare("b")
        self.assertEqual(self.save(page, a), (1, {}, "pending"))
        asked = self.first.asked
        for again in (a, "<a/>"):
            self.assertEqual(self.save(page, again), (0, {}, "pending"))
        self.assertEqual(self.first.asked, asked)
        self.assertEqual(self.save(page, a, b), (1, {}, "success"))
        self.assertEqual(self.first.asked, asked + 1)

    def test_whoever_does_not_hold_it_asks_for_nothing(self):
        """TSAs rest after a failure also when a page asks for time stamps again that does not hold the request"""
        page, bare = self.claimed("a"), self.bare("a")
        self.be("error", "error")
        self.assertEqual(self.save(page, bare, again=True), (0, {0: "time_stamp_failed"}, "pending"))
        self.be("good", "good")
        other = SignPage(self.portal, page.id)
        self.assertEqual(other.call("save", results=[], again=True)[1]["error"]["code"], "held")
        self.assertEqual(self.save(page, bare), (0, {0: "time_stamp_failed"}, "pending"))
        self.assertEqual((self.first.asked, self.second.asked), (0, 0), "they rest")
        self.assertEqual(self.save(page, bare, again=True), (1, {}, "success"))

    def test_a_stranger_s_time_stamp(self):
        """a time stamp under a CA that signers.trust does not have is not stored"""
        stranger = Tsa(self.bin, self.folder / "stranger", type(self))
        other = Portal(self.bin, self.folder / "other", more=f'[time_stamping]\nurls = ["{stranger.url}"]\n')
        shop = other.add_consumer("shop")
        other.start()
        self.addCleanup(lambda: other.stop())
        ids = [self.post(post_body(content(digest("a"))), portal=other, consumer=shop) for _ in range(2)]
        theirs, page = (SignPage(other, one) for one in ids)
        for one in (theirs, page):
            one.call("claim", instrument="sandbox")
        theirs.call("sandbox", action="sign")
        text = self.call(get_body(ids[0]), portal=other, consumer=shop)[1]
        bare = UNSIGNED.sub("", base64.b64decode(re.search("<Signature>(.*?)</Signature>", text).group(1)).decode())
        self.assertEqual(self.save(page, bare), (0, {0: "time_stamp_failed"}, "pending"))
        self.assertEqual(stranger.asked, 1)

    def test_a_slow_one_keeps_nobody_waiting(self):
        """while a TSA is silent, other pages open, sign and verify; the one that waits is answered when it speaks or is given up"""
        page, bare = self.claimed("a"), self.bare("a")
        self.be("silent", "good")
        saved = []
        waiting = threading.Thread(target=lambda: saved.append(self.save(page, bare, again=True)))
        waiting.start()
        until(lambda: self.first.asked == 1, "the TSA is asked")
        other = self.claimed("c")
        self.assertEqual(other.call("sandbox", action="sign")[1]["status"], "success")
        self.assertIn("<SignaturesValid>true</SignaturesValid>", self.verified("c", self.results(other)[0]))
        self.assertEqual(page.call("state")[1]["signed"], 0)
        self.assertTrue(waiting.is_alive(), "the others were not done before, but meanwhile")
        self.first.freed.set()
        waiting.join(WITHIN_S)
        self.assertEqual(saved, [(1, {}, "success")])


class ConfiguredTest(WireCase):
    def test_pages_do_not_wait_for_ever(self):
        """tries that take longer than a page waits are refused in the configuration"""
        for setting, fits in (("timeout_ms = 15000\ntries = 2", True), ("timeout_ms = 15001\ntries = 2", False), ("tries = 7", False)):
            file = self.folder / "stamping.toml"
            file.write_text(self.portal.configuration.read_text() + f'[time_stamping]\nurls = ["http://tsa.example/"]\n{setting}\n')
            ran = subprocess.run([self.portal.program, "--config", file, "serve", "--check"], capture_output=True, text=True, check=False)
            self.assertEqual(ran.returncode == 0, fits, ran.stdout + ran.stderr)
            if not fits:
                self.assertIn("time_stamping", ran.stderr)

    def test_without_it(self):
        """where no TSA is configured the page is told to bring time stamps"""
        page = SignPage(self.portal, self.post())
        self.assertEqual(page.call("claim", instrument="sandbox")[1]["level"], "t")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    WireCase.bin = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
