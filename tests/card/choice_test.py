#!/usr/bin/python3
"""A person chooses among several certificates: signetd, a SoftHSM token with three, and the dialog that people see.

usage: choice_test.py FOLDER-OF-SIGNETD [unittest's arguments]

SIGNET_SCREENSHOTS=FOLDER keeps pictures of the dialogs.

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import datetime
import pathlib
import re
import subprocess
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import agent_case
from agent_bench import PIN, Page, Refused
from agent_case import AgentTest

SOFTHSM = next(
    (path for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so")
     if pathlib.Path(path).exists()), None,
)
# The longest name that X.520 allows, and what people are called here.
LONG_NAME = "Ștefan-Alexandru Exemplu-de-Nume-Foarte-Lung al Întreprinderii X"
VALID, ENDING, EXPIRED = LONG_NAME, "Maria Exemplu", "Ион Пример"
DAYS = {VALID: 400, ENDING: 12, EXPIRED: -3}


def make_token(bin_folder, pki, folder):
    """A SoftHSM token with a key and a certificate for each of DAYS; its softhsm2.conf."""
    ca = x509.load_pem_x509_certificate((pki / "demo-ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((pki / "demo-ca.key").read_bytes(), None)
    now = datetime.datetime.utcnow()
    for number, (name, days) in enumerate(DAYS.items()):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=365))
            .not_valid_after(now + datetime.timedelta(days=days, hours=1))
            .add_extension(x509.KeyUsage(True, True, *[False] * 7), True)
            .sign(ca_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / f"signer-{number}.pem").write_bytes(certificate.public_bytes(pem))
        (folder / f"signer-{number}.key").write_bytes(key.private_bytes(pem, *form))
    command = [bin_folder / "signet", "demo", "token", folder]
    return subprocess.run(command, input=PIN + "\n", text=True, check=True, stdout=subprocess.PIPE).stdout.strip()


class ChoiceTest(AgentTest):
    PINENTRY = "/usr/bin/pinentry-gtk-2"
    # What to press for each button: a dialog opens with the focus on Cancel.
    USE, NEXT, CANCEL = ("Tab", "Tab", "space"), ("Tab", "space"), ("Escape",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.softhsm = make_token(cls.bin, cls.pki, pathlib.Path(tempfile.mkdtemp(dir=cls.work)))

    def start(self, **options):
        # The card of the bench is not to be among them.
        agent = self.agent(**{"pinentry": self.PINENTRY, "module": SOFTHSM, "softhsm": self.softhsm, "recorded": True,
                              "more": "[devices]\nautomatic = false\n", **options})
        self.order = [row["id"] for row in agent.query("certs")["certificates"]]
        self.names = [row["subject"].removeprefix("CN=") for row in agent.query("certs")["certificates"]]
        return agent

    def page(self, agent, origin=Page.ORIGIN):
        page = agent.page(origin)
        self.addCleanup(page.close)
        return page

    def choose(self, page, *answers, again=False):
        """Presses the keys in one dialog after the other; the id of the certificate that the page is given."""
        asked = page.ask("certificate.choose", again=again)
        for keys in answers:
            self.display.dialog().press(*keys)
        return page.answer(asked)["certificate"]["id"]

    def test_the_first_is_used(self):
        """the certificate that is shown first is used, and the page is told of that one alone"""
        agent = self.start()
        page = self.page(agent)
        self.assertEqual(self.choose(page, self.USE), self.order[0])
        waited = [event["params"]["what"] for event in page.events if event["event"] == "waiting"]
        self.assertEqual(waited, ["certificate"], "the page is told to look for the window")
        self.assertEqual(self.display.dialogs(), [])

    def test_another_is_used(self):
        """`Show the next` shows one after another, and the first again after the last"""
        agent = self.start()
        page = self.page(agent)
        self.assertEqual(self.choose(page, self.NEXT, self.USE), self.order[1])
        self.assertEqual(self.choose(page, *[self.NEXT] * 3, self.USE, again=True), self.order[0])
        shown = re.findall(r"\((\d) of 3\)", agent.told)
        self.assertEqual(shown, ["1", "2", "1", "2", "3", "1"])

    def test_cancel(self):
        """a cancelled choice gives the page nothing, and nothing is remembered: the next one asks again"""
        agent = self.start()
        page = self.page(agent)
        for keys in ([self.CANCEL], [self.NEXT, self.CANCEL]):
            with self.assertRaises(Refused) as refused:
                self.choose(page, *keys)
            self.assertEqual(refused.exception.code, "user_cancelled")
        self.assertEqual(self.choose(page, self.USE), self.order[0])

    def test_a_choice_is_remembered(self):
        """a choice is remembered for its origin alone, also when the agent starts again; the page may ask anew"""
        agent = self.start()
        page, other = self.page(agent), self.page(agent, Page.OTHER_ORIGIN)
        self.assertEqual(self.choose(page, self.NEXT, self.USE), self.order[1])
        self.assertEqual(self.choose(page), self.order[1])
        self.assertEqual(self.choose(other, self.USE), self.order[0])
        agent.restart()
        page, other = self.page(agent), self.page(agent, Page.OTHER_ORIGIN)
        self.assertEqual(self.choose(page), self.order[1])
        self.assertEqual(self.choose(other), self.order[0])
        self.assertEqual(self.choose(page, self.USE, again=True), self.order[0])
        self.assertEqual(self.choose(page), self.order[0])

    def test_what_is_about_to_end_is_told(self):
        """an expired certificate comes last and is told; one that ends within 30 days is told with its days"""
        agent = self.start()
        self.assertEqual(self.names[2], EXPIRED)
        page = self.page(agent)
        with self.assertRaises(Refused):
            self.choose(page, *[self.NEXT] * 2, self.CANCEL)
        told = dict(re.findall(r"Certificate: (.+)\n(.+)\n", agent.told))
        self.assertRegex(told[VALID], r"^Valid until \d{4}-\d\d-\d\d$")
        self.assertRegex(told[ENDING], r"^Expires in 12 days, on \d{4}-\d\d-\d\d$")
        self.assertRegex(told[EXPIRED], r"^Expired on \d{4}-\d\d-\d\d$")

    def test_an_expired_one_signs_nothing(self):
        """an expired certificate that is chosen all the same signs nothing, and nobody is asked for its PIN"""
        agent = self.start()
        page = self.page(agent)
        self.assertEqual(self.choose(page, self.NEXT, self.NEXT, self.USE), self.order[2])
        with self.assertRaises(Refused) as refused:
            page.answer(page.commit(page.begin(["one"]), 1))
        self.assertEqual(refused.exception.code, "certificate_expired")
        self.assertEqual(self.display.dialogs(), [])

    def test_the_batch_itself_asks(self):
        """a batch without a certificate asks for one first, then for consent and PIN; it is signed with that one"""
        agent = self.start()
        page = self.page(agent)
        batch = page.begin(["one", "two"])
        committed = page.commit(batch, 2)
        self.display.dialog().press(*self.NEXT)
        self.display.dialog().press(*self.USE)
        self.display.dialog().type_pin(PIN)
        self.assertEqual(page.answer(committed)["certificate"]["id"], self.order[1])
        page.reaches(batch, "complete")
        waited = [event["params"]["what"] for event in page.events if event["event"] == "batch.waiting"]
        self.assertEqual(waited, ["certificate", "consent"])

    def test_languages(self):
        """the dialog speaks the language of the configuration"""
        said = {"en": "Show the next", "ro": "Arată următorul", "ru": "Показать следующий"}
        for language, text in said.items():
            with self.subTest(language):
                agent = self.start(language=language)
                page = self.page(agent)
                asked = page.ask("certificate.choose")
                for number in range(3):
                    dialog = self.display.dialog()
                    self.display.picture(f"choice-{pathlib.Path(self.PINENTRY).name}-{language}-{number + 1}")
                    dialog.press(*(self.NEXT if number < 2 else self.CANCEL))
                with self.assertRaises(Refused):
                    page.answer(asked)
                self.assertIn(f"SETNOTOK {text}", agent.told)
                self.doCleanups()


class QtChoiceTest(ChoiceTest):
    PINENTRY = "/usr/bin/pinentry-qt"
    USE, NEXT = ("Tab", "space"), ("Tab", "Tab", "space")

    def setUp(self):
        if not pathlib.Path(self.PINENTRY).exists():
            self.lacking("no pinentry-qt")
        super().setUp()


if __name__ == "__main__":
    agent_case.main(__doc__)
