#!/usr/bin/python3
"""What `signet tokens --explain` says to somebody who only knows that their token does not work.

usage: explain_test.py FOLDER-OF-SIGNETD [unittest's arguments]

The card of with_card.sh, and USB devices of umockdev's that pcscd does not show. SIGNET_EXPLANATIONS=FILE keeps what was said, in
three languages.

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading

import agent_case
from agent_bench import PIN, WITHIN_S, WRONG_PIN, typed_wrong, until
from tokens_test import ATR, OPENSC, TokensTest

LANGUAGES = {"en": "C.UTF-8", "ro": "ro_RO.UTF-8", "ru": "ru_RU.UTF-8"}
PRELOAD = "libumockdev-preload.so.0"


def family(modules, more=""):
    """The bench's card as a family of the configuration; of its modules each a table."""
    tables = ", ".join(f"{{ {module} }}" for module in modules)
    return f"""
[devices]
module_folders = ["/"]
{more}
[[devices.family]]
family = "bench"
name = "Card of the bench"
atr = ["{ATR}"]
modules = [{tables}]
"""


def module(name, path, more='install = { page = "https://token.example/linux" }'):
    path = pathlib.Path(path)
    return f'name = "{name}", files = ["{path.name}"], folders = ["{path.parent}"], {more}'


class UsbBus:
    """USB devices of umockdev's, for programs that are started with `environment`."""

    def __init__(self):
        import gi

        gi.require_version("UMockdev", "1.0")
        from gi.repository import UMockdev

        self._bed = UMockdev.Testbed.new()
        self._plug("usb1", 0x1D6B, 2, 1, 9)

    @property
    def environment(self):
        return {"UMOCKDEV_DIR": self._bed.get_root_dir(), "LD_PRELOAD": PRELOAD}

    def plug(self, usb_id, address=2, interface=11):
        """A device at port 1-ADDRESS, with an interface of this class; CCID's if none is said."""
        vendor, product = (int(half, 16) for half in usb_id.split(":"))
        self._plug(f"1-{address}", vendor, product, address, 0, interface)

    def _plug(self, port, vendor, product, address, device_class, interface=9):
        descriptors = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, device_class, 0, 0, 8, vendor, product, 0x100, 1, 2, 3, 1)
        descriptors += struct.pack("<BBHBBBBB", 9, 2, 18, 1, 1, 0, 0x80, 50) + bytes([9, 4, 0, 0, 0, interface, 0, 0, 0])
        path = "/devices/usb1" if port == "usb1" else f"/devices/usb1/{port}"
        lines = [f"P: {path}", f"N: bus/usb/001/{address:03}", "E: BUSNUM=001", f"E: DEVNUM={address:03}"]
        lines += [f"E: DEVNAME=/dev/bus/usb/001/{address:03}", "E: DEVTYPE=usb_device", "E: DRIVER=usb", "E: SUBSYSTEM=usb"]
        lines += ["A: bConfigurationValue=1\\n", "A: busnum=1\\n", f"A: devnum={address}\\n", f"A: idVendor={vendor:04x}\\n"]
        lines += [f"A: idProduct={product:04x}\\n", "A: speed=12\\n", "A: bNumConfigurations=1\\n"]
        self._bed.add_from_string("\n".join([*lines, f"H: descriptors={descriptors.hex()}", "", ""]))


class ExplainTest(TokensTest):
    def explained(self, agent, situation):
        """What is said in English; kept in all languages for people to read."""
        if kept := os.environ.get("SIGNET_EXPLANATIONS"):
            with open(kept, "a", encoding="utf-8") as file:
                for language, locale in LANGUAGES.items():
                    print(f"--- {situation} ({language})\n{agent.say('tokens', '--explain', language=locale)}", file=file)
        return agent.say("tokens", "--explain")

    def assert_says(self, text, *parts):
        """These, one after another."""
        at = 0
        for part in parts:
            found = text.find(part, at)
            self.assertGreaterEqual(found, 0, f"{part!r} in\n{text}")
            at = found + len(part)


class CardTest(ExplainTest):
    def test_an_empty_reader(self):
        """without a card the person is told to put one in"""
        self.card.pull()
        agent = self.start(sees_token=False)
        until(lambda: self.device(agent)["outcome"] == "no_card", "the reader is seen")
        self.assert_says(self.explained(agent, "an empty reader"), "What to do:", "put the card in; the reader is empty")

    def test_an_unknown_card(self):
        """the module that shows a token on an unknown card has not been remembered before; the next time it has"""
        agent = self.start()
        until(lambda: self.device(agent)["outcome"] == "chosen", "the card is served")
        said = self.explained(agent, "an unknown card, for the first time")
        self.assert_says(said, "Because:", "the first installed module that shows a token on it", "it answers")
        self.assertNotIn("before", said)
        self.card.pull()
        self.card.tell("insert")
        until(lambda: agent.query("tokens").get("tokens"), "the card is seen again")
        self.assert_says(self.explained(agent, "an unknown card, put in again"), "Because:", "on such a card before")

    def test_a_card_that_nothing_knows(self):
        """modules that are installed and know nothing of the card: what was tried, and whom to ask"""
        agent = self.start(sees_token=False, more="[devices]\nmodule_folders = [\"/nowhere\"]\n")
        until(lambda: self.device(agent)["outcome"] in ("refused", "nothing_known"), "the choice is made")
        self.assert_says(self.explained(agent, "an unknown card, modules outside the allowed folders"),
                         "What to do:", "module_folders", "systemctl --user restart signetd")

    def test_not_installed(self):
        """a known card whose module is missing: how to install it"""
        agent = self.start(more=family([module("Card Middleware", "/usr/lib/libmissing.so", 'install = { debian = "card-mw", page = "https://card.example" }')]),
                           sees_token=False)
        until(lambda: self.device(agent)["outcome"] == "not_installed", "the card is known")
        self.assert_says(self.explained(agent, "known card, module not installed"), "What to do:",
                         "install Card Middleware: sudo apt install card-mw  (https://card.example)", "then take the token or card out")

    def test_another_modules_layout(self):
        """a module that shows no token while the preferred one is missing: that one is to be installed"""
        blank = self.bin.parent / "tests/module/modules/many_slots.so"
        agent = self.start(sees_token=False, more=family([
            module("Vendor Middleware", "/usr/lib/libmissing.so"),
            module("SoftHSM2", "/usr/lib/softhsm/libsofthsm2.so", "quirks = { some_layouts = true }"),
        ]), softhsm=self.empty_softhsm())
        self.assertTrue(blank.parent.exists())
        until(lambda: self.device(agent)["outcome"] == "chosen", "the card is known")
        self.assert_says(self.explained(agent, "the module that is there shows no token, the vendor's is missing"),
                         "Now:", "made with other software", "What to do:", "install Vendor Middleware: https://token.example/linux")

    def empty_softhsm(self):
        tokens = self.folder / "tokens"
        tokens.mkdir(exist_ok=True)
        conf = self.folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        return conf

    def test_not_trusted(self):
        """a module that others may write: which file, why, and the command that mends it"""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        library = folder / "libloose.so"
        library.write_bytes(OPENSC.resolve().read_bytes())
        folder.chmod(0o777)
        agent = self.start(more=family([module("Loose", library)]), sees_token=False)
        until(lambda: self.device(agent)["outcome"] == "refused", "the module is refused")
        self.assert_says(self.explained(agent, "the module's folder may be written by others"), "What to do:",
                         "its software (Loose) is not loaded: others may write", f"sudo chmod go-w {folder}", "then take the token or card out")

    def test_a_module_that_crashes(self):
        """a module that crashes: what happened in words; after five times, how to start it again"""
        crashing = self.bin.parent / "tests/module/modules/crash_in_initialize.so"
        agent = self.start(more=family([module("Crashing Middleware", crashing)]), sees_token=False)
        until(lambda: self.device(agent).get("module", {}).get("error"), "it has crashed")
        first = self.explained(agent, "the module crashes")
        self.assert_says(first, "Trouble:", "its software (Crashing Middleware)", "What to do:")
        for _ in range(8):
            agent.query("tokens", within_s=60)
        until(lambda: self.device(agent)["module"]["stopped"], "it is stopped", 60)
        self.assert_says(self.explained(agent, "the module crashed again and again"), "is not started any more", "What to do:",
                         "signet restart “Crashing Middleware”")

    def test_a_locked_pin(self):
        """a PIN with one try left, a locked one, and one whose PUK is asked for: what each costs and what to do"""
        ways = {"puk": "asks for the PUK", "vendor_tool": "Card Manager", "unknown": "ask whoever issued the token"}
        quirks = {"puk": 'unblock = "puk"', "vendor_tool": 'unblock = "vendor_tool", vendor_tool = "Card Manager"', "unknown": ""}
        for _ in range(2):
            typed_wrong("pin")
            command = ["pkcs11-tool", "--module", OPENSC, "--login", "--pin", WRONG_PIN, "--list-objects"]
            subprocess.run(command, check=False, capture_output=True, timeout=WITHIN_S)
        for way, state in (("puk", "LAST PIN TRY"), ("puk", "PIN LOCKED"), ("vendor_tool", "PIN LOCKED"), ("unknown", "PIN LOCKED")):
            with self.subTest(way=way, state=state):
                # A card that was given its PIN before does not tell its tries: out and in again.
                self.card.pull()
                if state == "PIN LOCKED":
                    self.card.tell("block")
                self.card.tell("insert")
                agent = self.start(more=family([module("OpenSC", OPENSC, f"quirks = {{ {quirks[way]} }}")]))
                text = self.explained(agent, f"{state}, unblocked by: {way}")
                self.assert_says(text, "Token:", state, "What to do:", ways[way])
                self.assertEqual("signet pin unblock" in text, way == "puk")
                self.end(agent)
                self._cleanups = [cleanup for cleanup in self._cleanups if cleanup[0] != self.end]

    def test_two_tokens(self):
        """a token of a configured module that is no device is told beside the card"""
        agent = self.start(modules=["/usr/lib/softhsm/libsofthsm2.so"], softhsm=self.softhsm_token())
        until(lambda: len(agent.query("tokens").get("tokens", [])) == 2, "both are seen")
        self.assert_says(self.explained(agent, "a card, and a token of a configured module"), "1. ", "Card Bench Owner",
                         "The configuration loads module.", "A token of module that is no device of this list: second")

    def softhsm_token(self):
        conf = self.empty_softhsm()
        command = ["softhsm2-util", "--init-token", "--free", "--label", "second", "--pin", PIN, "--so-pin", PIN]
        subprocess.run(command, env={**os.environ, "SOFTHSM2_CONF": str(conf)}, check=True, capture_output=True)
        return conf

    def test_a_configured_module_that_is_not_there(self):
        """a module of the configuration that is missing: which one, and that it is the configuration's"""
        agent = self.start(modules=["/usr/lib/libnowhere.so"], sees_token=False)
        until(lambda: agent.query("tokens") is not None, "the module was looked for")
        self.assert_says(self.explained(agent, "a configured module that is not there"),
                         "The configuration loads module, which does not work:", "/usr/lib/libnowhere.so is not there")


class UsbTest(ExplainTest):
    """Devices that pcscd does not show, or that nobody can see because pcscd is not there."""

    def setUp(self):
        super().setUp()
        try:
            self.usb = UsbBus()
        except (ImportError, ValueError) as missing:
            self.lacking(f"python3-gi with umockdev: {missing}")

    def start_with_usb(self, **environment):
        return self.start(sees_token=False, environment={**self.usb.environment, **environment})

    def no_pcscd(self):
        return {"PCSCLITE_CSOCK_NAME": str(self.folder / "nobody-listens")}

    def rows(self, agent):
        return {row["usb"]["id"]: row for row in agent.query("tokens", "--explain")["devices"] if "usb" in row}

    def test_nothing_and_no_pcscd(self):
        """without pcscd and without a device: the service comes first, with the command that starts it"""
        agent = self.start_with_usb(**self.no_pcscd())
        until(lambda: agent.query("tokens", "--explain").get("pcsc"), "pcscd is looked for")
        said = self.explained(agent, "nothing is plugged in, pcscd is not running")
        self.assert_says(said, "pcscd is not running", "sudo systemctl enable --now pcscd.socket", "Among the USB devices")
        self.assertEqual(agent.query("certs")["error"]["code"], "no_token")
        self.assertIn("cards are not seen", agent.query("certs")["error"]["detail"])

    def test_pcscd_is_not_installed(self):
        """where the program is missing too, it is to be installed first"""
        agent = self.start_with_usb(**self.no_pcscd())
        until(lambda: agent.query("tokens", "--explain").get("pcsc"), "pcscd is looked for")
        pcscd = next(path for path in ("/usr/sbin/pcscd", "/usr/bin/pcscd") if pathlib.Path(path).exists())
        without = ["unshare", "--mount", "sh", "-c", f'mount --no-mtab --bind /dev/null {pcscd} && exec "$@"', "-"]
        said = subprocess.run([*without, *agent.command("tokens", "--explain")], env=agent.environment, capture_output=True,
                              text=True, check=True, timeout=WITHIN_S).stdout
        self.assert_says(said, "pcscd is not installed", "sudo apt install pcscd", "sudo systemctl enable --now pcscd.socket")

    def test_a_plain_reader_and_no_pcscd(self):
        """a reader is not called empty as long as nobody can see what is in it"""
        self.usb.plug("072F:B100")
        agent = self.start_with_usb(**self.no_pcscd())
        until(lambda: self.rows(agent).get("072F:B100"), "the reader is seen")
        said = self.explained(agent, "a reader, pcscd is not running")
        self.assert_says(said, "pcscd is not running", "1. card reader", "USB 072F:B100", "What to do:", "get pcscd going first")
        self.assertNotIn("empty", said)

    def test_a_token_and_no_pcscd(self):
        """a known token at USB: served by its id, and what is missing is said"""
        self.usb.plug("096E:0807")
        agent = self.start_with_usb(**self.no_pcscd())
        until(lambda: self.rows(agent).get("096E:0807"), "the token is seen")
        self.assert_says(self.explained(agent, "a USB token, pcscd is not running"), "pcscd is not running", "1. Feitian ePass2003",
                         "What to do:", "get pcscd going first")

    def test_pcscd_without_the_driver(self):
        """pcscd runs, and neither the reader nor the token is in its list: its driver for USB is missing (here it is hidden)"""
        self.usb.plug("04E6:5814")
        self.usb.plug("0A89:0030", 3)
        agent = self.start_with_usb()
        until(lambda: len(self.rows(agent)) == 2, "both are seen")
        rows = self.rows(agent)
        self.assertEqual(rows["04E6:5814"]["outcome"], "not_shown")
        said = self.explained(agent, "a reader and a USB token, pcscd has no driver for USB readers")
        self.assert_says(said, "card reader", "sudo apt install libccid", "sudo systemctl restart pcscd")
        self.assert_says(said, "Rutoken", "sudo apt install libccid")

    def test_a_token_that_pcscd_does_not_show(self):
        """the driver is there: another program may have taken the token, or the vendor's driver is needed"""
        self.usb.plug("096E:0807")
        agent = self.start_with_usb()
        until(lambda: self.rows(agent).get("096E:0807"), "the token is seen")
        bundle = "/usr/lib/pcsc/drivers/ifd-ccid.bundle"
        driver = f"mkdir -p {bundle}/Contents && touch {bundle}/Contents/Info.plist"
        with_driver = ["unshare", "--mount", "sh", "-c", f'mount --no-mtab -t tmpfs tmpfs /usr/lib/pcsc/drivers && {driver} && exec "$@"', "-"]
        said = subprocess.run([*with_driver, *agent.command("tokens", "--explain")], env=agent.environment, capture_output=True,
                              text=True, check=True, timeout=WITHIN_S).stdout
        if kept := os.environ.get("SIGNET_EXPLANATIONS"):
            with open(kept, "a", encoding="utf-8") as file:
                print(f"--- a USB token that pcscd does not show (en)\n{said}", file=file)
        self.assert_says(said, "Feitian ePass2003", "What to do:", "at another USB port", "gpgconf --kill scdaemon", "https://www.ftsafe.com/download")

    def test_a_reader_that_the_catalogue_does_not_know(self):
        """USB's class for smart cards is enough to be told of; what has another class is not"""
        self.usb.plug("1234:5678")
        self.usb.plug("1234:9999", 3, interface=8)
        agent = self.start_with_usb()
        until(lambda: self.rows(agent), "the reader is seen")
        self.assertEqual(list(self.rows(agent)), ["1234:5678"])
        self.assert_says(self.explained(agent, "a reader that the catalogue does not know, without a driver"), "a card reader, or a token",
                         "USB 1234:5678", "What to do:", "libccid")

    def test_pcscd_refuses(self):
        """polkit's refusal is told as that"""
        listening = self.folder / "pcscd.comm"
        with Refusing(listening):
            agent = self.start_with_usb(PCSCLITE_CSOCK_NAME=str(listening))
            until(lambda: agent.query("tokens", "--explain").get("pcsc", {}).get("why") == "denied", "pcscd is asked")
            self.assert_says(self.explained(agent, "pcscd refuses (polkit)"), "does not let you use cards", "What to do:",
                             "sign in at the computer itself", "polkit")
            self.end(agent)
            self._cleanups = [cleanup for cleanup in self._cleanups if cleanup[0] != self.end]


class Refusing:
    """What pcscd says where polkit does not let a process in (winscard_msg.h: version, then establish context)."""

    VERSION, ESTABLISH, VIOLATION = 0x11, 0x01, 0x8010006A

    def __init__(self, path):
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(16)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with contextlib.suppress(OSError, struct.error), connection:
            while True:
                size, command = struct.unpack("=II", connection.recv(8, socket.MSG_WAITALL))
                body = bytearray(connection.recv(size, socket.MSG_WAITALL))
                body[-4:] = struct.pack("=I", 0 if command == self.VERSION else self.VIOLATION)
                connection.sendall(body)


if __name__ == "__main__":
    agent_case.main(__doc__)
