#!/usr/bin/python3
"""A token that is plugged in is found, served by one module and explained; what comes and goes is told.

usage: tokens_test.py FOLDER-OF-SIGNETD [unittest's arguments]

The card of with_card.sh, which the catalogue of devices does not know: signetd is configured with no module unless a test
says so.

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading

import agent_case
from agent_bench import HANGING_WITHIN_S, PIN, WITHIN_S, Refused, until
from agent_case import AgentTest

ATR = "3B 85 01 80 73 80 01 C0 .."
OPENSC = pathlib.Path(os.environ.get("SIGNET_CARD_MODULE", "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"))
FAMILY = """
[devices]
{devices}
[[devices.family]]
family = "bench"
name = "Card of the bench"
atr = ["{atr}"]
modules = [{{ name = "{module}", files = ["{file}"], folders = ["{folder}"], install = {{ {install} }} }}]
"""


def family(module="OpenSC", file="opensc-pkcs11.so", folder=None, install='page = "https://token.example/linux"', devices=""):
    return FAMILY.format(
        atr=ATR, module=module, file=file, folder=folder or OPENSC.parent, install=install, devices=devices)


class Watching:
    """A `signet tokens --watch`; what it says, list by list."""

    def __init__(self, agent):
        self._process = subprocess.Popen(
            agent.command("--json", "tokens", "--watch"), env=agent._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self._lists = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lists.put(json.loads(line)["tokens"])

    def next(self, within_s=WITHIN_S):
        return self._lists.get(timeout=within_s)

    def reaches(self, count, within_s=WITHIN_S):
        """The first list of so many tokens."""
        while len(tokens := self.next(within_s)) != count:
            pass
        return tokens

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(WITHIN_S)

    def end(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process.stderr.close()


class TokensTest(AgentTest):
    def start(self, **options):
        return self.agent(**{"modules": [], **options})

    def device(self, agent):
        """What is said of the card's reader."""
        devices = agent.query("tokens", "--explain")["devices"]
        with_card = [device for device in devices if device.get("reader", {}).get("card")]
        return (with_card or devices)[0]

    def chosen(self, agent):
        return next(one for one in self.device(agent)["candidates"] if one["verdict"] == "chosen")

    def watch(self, agent):
        watching = Watching(agent)
        self.addCleanup(watching.end)
        return watching

    def presented(self):
        return self.card.tell("status")["pin_presented"]


class ChoiceTest(TokensTest):
    def test_an_unknown_card_is_tried_and_remembered(self):
        """modules are tried on an unknown card without any PIN; the one that shows a token is remembered and signs"""
        before = self.presented()
        agent = self.start()
        self.assertEqual(self.chosen(agent)["because"], "probed", "it was not known before")
        self.assertEqual(pathlib.Path(self.chosen(agent)["path"]), OPENSC.resolve())
        self.assertEqual(self.presented(), before, "no PIN was presented")
        kept = agent.folder / "home/.local/state/signet/cards"
        self.assertEqual(kept.read_text().split()[1], str(OPENSC.resolve()))
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        agent.restart()
        self.assertEqual(self.chosen(agent)["because"], "remembered")
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE)
        self.assert_good(agent)

    def test_the_catalogue_knows_the_card(self):
        """a family of the configuration that has the card's ATR names its module, and nothing is tried"""
        agent = self.start(more=family())
        self.assertEqual(self.chosen(agent)["because"], "atr")
        self.assertEqual(self.device(agent)["name"], "Card of the bench")
        self.assertFalse((agent.folder / "home/.local/state/signet/cards").exists())
        said = agent.say("tokens", "--explain")
        for text in ("1. Card of the bench", "Virtual PCD", "OpenSC", str(OPENSC.resolve()), "knows this card", agent_case.OWNER):
            self.assertIn(text, said)

    def test_the_module_is_not_installed(self):
        """a known card whose module is missing: the page, the command and the explanation say so, and what to install"""
        agent = self.start(more=family("Card software", "libcard-software.so", install='debian = "card-software"'), sees_token=False)
        until(lambda: self.device(agent)["outcome"] == "not_installed", "the card is known")
        self.assertEqual(agent.query("certs")["error"]["code"], "module_missing")
        page = agent.page()
        self.addCleanup(page.close)
        with self.assertRaises(Refused) as refused:
            page.answer(page.ask("certificate.choose"))
        self.assertEqual(refused.exception.code, "module_missing")
        self.assertIn("sudo apt install card-software", agent.say("tokens", "--explain"))
        for language, text in {"ro_RO.UTF-8": "Ce este de făcut", "ru_RU.UTF-8": "Что делать"}.items():
            self.assertIn(text, agent.say("tokens", "--explain", language=language))

    def test_a_module_that_others_may_write_is_not_loaded(self):
        """neither a family's module nor a configured one is loaded from where others may write; it is said what to do"""
        folder = self.folder / "loose"
        folder.mkdir()
        shutil.copy(OPENSC.resolve(), folder / "libloose.so")
        folder.chmod(0o777)
        allowed = f'module_folders = ["/usr", "{folder}"]'
        agent = self.start(more=family("Loose", "libloose.so", folder, devices=allowed), sees_token=False)
        until(lambda: self.device(agent)["outcome"] == "refused", "the module is refused")
        self.assertEqual(agent.query("certs")["error"]["code"], "module_failed")
        self.assertIn("chmod go-w", agent.say("tokens", "--explain"))
        self.assertEqual(agent.hosts(), [])
        configured = self.start(modules=[folder / "libloose.so"], more=f"[devices]\n{allowed}\nautomatic = false\n", sees_token=False)
        self.assertEqual(configured.query("tokens"), {"tokens": []})
        self.assertIn("may write", configured.query("certs")["error"]["detail"])
        self.assertEqual(configured.hosts(), [])

    def test_outside_the_allowed_folders(self):
        """a configured module is loaded from the allowed folders alone"""
        folder = self.folder / "own"
        folder.mkdir(mode=0o755)
        shutil.copy(OPENSC.resolve(), folder / "libown.so")
        for allowed, tokens in (("/usr", 0), (folder, 1)):
            more = f'[devices]\nmodule_folders = ["{allowed}"]\nautomatic = false\n'
            agent = self.start(modules=[folder / "libown.so"], more=more, sees_token=tokens > 0)
            self.assertEqual(len(agent.query("tokens")["tokens"]), tokens)

    def test_not_automatic(self):
        """with automatic = false nothing is loaded that the configuration does not name"""
        agent = self.start(more="[devices]\nautomatic = false\n", sees_token=False)
        self.assertEqual(agent.query("tokens"), {"tokens": []})
        self.assertEqual(agent.hosts(), [])
        self.assertIn("automatic = false", agent.say("tokens", "--explain"))

    def test_one_token_through_two_modules(self):
        """a token that two modules show is shown once, and so is each of its certificates"""
        # OpenSC's second module shows the same token with another label.
        other = OPENSC.parent / "onepin-opensc-pkcs11.so"
        if not other.exists():
            self.lacking("no onepin-opensc-pkcs11.so")
        agent = self.start(modules=[OPENSC, other])
        self.assertEqual(len(agent.query("tokens")["tokens"]), 1)
        certificates = [row["id"] for row in agent.query("certs")["certificates"]]
        self.assertEqual(len(certificates), len(set(certificates)))
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE)

    def test_no_card_is_there(self):
        """without a card the reader is named and the person is told to put one in"""
        self.card.pull()
        agent = self.start(sees_token=False)
        until(lambda: self.device(agent)["outcome"] == "no_card", "the reader is seen")
        self.assertEqual(agent.query("certs")["error"]["code"], "no_token")
        self.assertIn("put the card in", agent.say("tokens", "--explain"))
        self.assertEqual(agent.hosts(), [], "nothing is loaded for an empty reader")


class WatchTest(TokensTest):
    def test_what_comes_and_goes_is_told(self):
        """a command that watches and a page are told when the card is pulled and put in again; nothing is restarted"""
        agent = self.start()
        watching, page = self.watch(agent), agent.page()
        self.addCleanup(page.close)
        self.assertEqual(len(watching.next()), 1)
        self.card.pull()
        self.assertEqual(watching.reaches(0), [])
        self.card.tell("insert")
        self.assertEqual(watching.reaches(1)[0]["label"], agent_case.OWNER)
        page.hears("tokens.changed", present=False)
        page.hears("tokens.changed", present=True)
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE)
        self.assertEqual(watching.interrupt(), 0)

    def test_re_plugged_faster_than_any_poll(self):
        """a card that was out for a moment signs again with the same key, whoever saw it go: vpcd, asked each 0.4 s, shows
        pcscd none of it, and OpenSC may hang over it until its host is given up"""
        agent = self.start()
        for _ in range(3):
            self.card.tell("remove")
            self.card.tell("insert")
        until(lambda: agent.query("tokens", within_s=HANGING_WITHIN_S).get("tokens"), "the token is there again", HANGING_WITHIN_S)
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing, HANGING_WITHIN_S).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE, within_s=60)
        self.assert_good(agent)

    def test_pcscd_is_killed_and_started_again(self):
        """pcscd may be killed: the token is gone, and there again once pcscd is; the same key signs"""
        agent = self.start()
        watching = self.watch(agent)
        self.assertEqual(len(watching.next()), 1)
        pid = int(pathlib.Path("/run/pcscd/pcscd.pid").read_text().strip("\0\n "))
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(watching.reaches(0, 60), [])
        for name in ("pcscd.comm", "pcscd.pid"):
            pathlib.Path("/run/pcscd", name).unlink(missing_ok=True)
        pcscd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addClassCleanup(pcscd.wait)
        self.addClassCleanup(pcscd.terminate)
        self.assertEqual(len(watching.reaches(1, 60)), 1)
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE, within_s=60)
        self.assert_good(agent)

    def test_the_host_goes_when_its_device_has_gone(self):
        """a module whose device has gone is let go after half a minute, and started again for a new one"""
        agent = self.start()
        self.assertEqual(len(agent.hosts()), 1)
        self.card.pull()
        until(lambda: agent.hosts() == [], "the host has ended", 60)
        self.card.tell("insert")
        until(lambda: agent.query("tokens").get("tokens"), "the token is seen again")
        self.assertEqual(len(agent.hosts()), 1)


if __name__ == "__main__":
    agent_case.main(__doc__)
