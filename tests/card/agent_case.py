"""A test beside the card bench: what agent_test.py and page_test.py share."""
import hashlib
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest

from agent_bench import PIN, PUK, WITHIN_S, Agent, Card, Display, refusals, traces

HERE = pathlib.Path(__file__).resolve().parent
OWNER = "Card Bench Owner"
EXIT_DONE, EXIT_PERSON, EXIT_MACHINE = 0, 4, 6


class AgentTest(unittest.TestCase):
    """One display and one card for all, a signetd for each test."""

    other_secrets = ()  # that a test types besides PIN and PUK

    @classmethod
    def setUpClass(cls):
        cls.display = Display()
        cls.addClassCleanup(cls.display.stop)
        cls.pki = cls.work / "pki"
        # The key that wants the PIN before each signature.
        cls.certificate = cls.fingerprint("9C")

    @classmethod
    def fingerprint(cls, slot):
        der = ssl.PEM_cert_to_DER_cert((cls.work / "card" / f"{slot}.crt").read_text())
        return hashlib.sha256(der).hexdigest()

    def setUp(self):
        self.card = Card()
        self.card.make_new()
        self.addCleanup(self.assert_refusals_are_typed, refusals())
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        self.out = self.folder / "out"

    def agent(self, **options):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        agent = Agent(self.bin, folder, **{"display": self.display, **options})
        self.addCleanup(self.end, agent)
        return agent

    def end(self, agent):
        self.assertEqual(agent.stop(), agent.ends_with, "signetd ends as it should")
        for file in (agent.log, agent.journal):
            for secret in (PIN, PUK, *self.other_secrets):
                self.assertEqual(traces(secret, file.read_bytes()), [], f"no part of a PIN or PUK in {file.name}")

    def assert_refusals_are_typed(self, before):
        """After the agents have ended: the cards have refused what was typed wrong, and nothing more."""
        for what, (typed, refused) in refusals().items():
            typed_before, refused_before = before[what]
            self.assertEqual(refused - refused_before, typed - typed_before, f"{what}: refused by the card, and typed wrong")

    def tsa(self):
        command = [self.bin / "signet", "demo", "tsa", self.pki]
        tsa = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(tsa.stdout.close)
        self.addCleanup(tsa.wait)
        self.addCleanup(tsa.terminate)
        return tsa.stdout.readline().strip()

    def documents(self, count):
        files = [self.folder / f"invoice-{number:02}.pdf" for number in range(1, count + 1)]
        for file in files:
            file.write_text(f"document {file.name}", encoding="utf-8")
        return files

    def sign(self, agent, documents, *words, **streams):
        return agent.sign("--cert", self.certificate, "--out", self.out, *words, *documents, **streams)

    def written(self):
        return sorted(self.out.glob("*.xades.xml")) if self.out.exists() else []

    def assert_ends(self, signing, code, *texts, within_s=30):
        self.assertEqual(signing.exit_code(within_s), code, signing.said)
        for text in texts:
            self.assertIn(text, signing.said)

    def lacking(self, what):
        """Skips the test and says so; with CI=true that is a failure."""
        if os.environ.get("CI") == "true":
            self.fail(f"with CI=true nothing is left out: {what}")
        self.skipTest(what)

    def assert_card(self, **counts):
        self.assertEqual(self.card.counted, counts)

    def assert_good(self, agent):
        """Each signature that was written, with the document that it names."""
        for signature in self.written():
            document = self.folder / signature.name.removesuffix(".xades.xml")
            command = agent.command("verify", signature, "--content", document, "--trust", self.pki)
            verified = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
            self.assertIn("TOTAL-PASSED", verified.stdout)


def cannot_run(why):
    print(f"{pathlib.Path(sys.argv[0]).name}: cannot run here: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def run_in_bench(program, bin_folder, words, cards, options):
    """Makes the PKI and the card, and runs this program again beside them."""
    missing = [tool for tool in ("Xvfb", "xdotool", "pinentry-gtk-2", "pkcs11-tool") if shutil.which(tool) is None]
    if missing:
        cannot_run("missing: " + " ".join(missing))
    with tempfile.TemporaryDirectory(prefix="agent-") as work:
        pki, card = f"{work}/pki", f"{work}/card"
        subprocess.run([bin_folder / "signet", "demo", "pki", pki], check=True, stdout=subprocess.DEVNULL)
        made = subprocess.run(
            [HERE / "piv_card.py", "init", "--dir", card, "--keys", "9A=rsa2048,9C=rsa2048", "--days", "400"]
            + ["--name", OWNER, "--ca-key", f"{pki}/demo-ca.key", "--ca-cert", f"{pki}/demo-ca.pem"],
            check=False,
        )
        if made.returncode != 0:
            cannot_run("piv_card.py makes no card (python3-cryptography?)")
        bench = [HERE / "with_card.sh", "--dir", card, "--pin", PIN, "--cards", str(cards), *options, "--"]
        itself = [program, "--in-bench", work, bin_folder, *words]
        return subprocess.run([*bench, *itself], check=False).returncode


def main(usage, cards=1, bench=()):
    """PROGRAM FOLDER-OF-SIGNETD [unittest's arguments]: first outside the bench, then in it. `bench`: options of with_card.sh."""
    if len(sys.argv) < 2:
        sys.exit(usage)
    program = pathlib.Path(sys.argv[0]).resolve()
    if sys.argv[1] != "--in-bench":
        sys.exit(run_in_bench(program, pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:], cards, bench))
    AgentTest.work, AgentTest.bin = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
