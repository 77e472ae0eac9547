#!/usr/bin/python3
"""signet pin change and signet pin unblock, with a card behind pcscd and OpenSC and with the dialogs that people see.

usage: pin_test.py FOLDER-OF-SIGNETD [unittest's arguments]

What the card counts is what was typed: one presentation of a wrong PIN or PUK, none of what was not agreed with.
Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import hashlib
import os
import pathlib
import re
import ssl
import subprocess
import time

import agent_case
from agent_bench import PIN, PUK, WRONG_PIN, WRONG_PUK, Refused, memory_traces, typed_wrong, until
from agent_case import EXIT_DONE, EXIT_PERSON, AgentTest

NEW_PIN = "71649308"
EXIT_CALLER = 5


class PinTest(AgentTest):
    other_secrets = (NEW_PIN, WRONG_PUK, WRONG_PIN)

    def agent(self, **options):
        # The catalogue does not know the bench's card: the configuration says how it is unblocked.
        return super().agent(**{"module_keys": 'unblock = "puk"', **options})

    def assert_presented(self, **counts):
        """What is not named was not presented."""
        expected = dict.fromkeys(("pin_presented", "pin_refused", "puk_presented", "puk_refused"), 0) | counts
        self.assertEqual(self.card.presented, expected)

    def card_again(self, line):
        """A card that was given its PIN before does not tell its tries: out and in again."""
        self.card.pull()
        self.card.tell(line)
        self.card.tell("insert")

    def type_new(self, pin, command, again=None):
        self.display.dialog(command).type_twice(pin, again)

    def change(self, agent, old=PIN, new=NEW_PIN):
        command = agent.pin("change")
        self.display.dialog(command).type_pin(old)
        self.type_new(new, command)
        return command

    def unblock(self, agent, puk=PUK, new=NEW_PIN):
        command = agent.pin("unblock")
        self.display.dialog(command).type_pin(puk)
        self.type_new(new, command)
        return command

    def assert_opens(self, agent, pin):
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(pin)
        self.assert_ends(signing, EXIT_DONE)


class ChangeTest(PinTest):
    def change_with(self, pinentry):
        agent = self.agent(pinentry=f"/usr/bin/{pinentry}", recorded=True)
        command = agent.pin("change")
        dialog = self.display.dialog(command)
        self.display.picture(f"pin-change-{pinentry}")
        dialog.type_pin(PIN)
        dialog = self.display.dialog(command)
        self.display.picture(f"pin-change-new-{pinentry}")
        dialog.type_twice(NEW_PIN)
        self.assert_ends(command, EXIT_DONE, "The PIN of the token “Card Bench Owner” is changed.")
        # At the login and, once it was accepted, at the change.
        self.assert_presented(pin_presented=2)
        self.assertEqual(agent.told.count("GETPIN"), 2, "two dialogs")
        for text in ("“Card Bench Owner”", "serial number", "Type the PIN that it has now.", "4 to 8 characters"):
            self.assertIn(text, agent.told)
        self.assert_opens(agent, NEW_PIN)

    def test_change(self):
        """a PIN is changed with two dialogs, and the new one signs"""
        self.change_with("pinentry-gtk-2")

    def test_change_with_qt(self):
        """the same with the pinentry that is made with Qt"""
        if not pathlib.Path("/usr/bin/pinentry-qt").exists():
            self.lacking("no pinentry-qt")
        self.change_with("pinentry-qt")

    def test_a_wrong_old_pin_costs_one_try(self):
        """a wrong old PIN costs exactly one try each; before the last one the person is asked, and may cancel"""
        agent = self.agent(recorded=True)
        self.assert_ends(self.change(agent, old=WRONG_PIN), EXIT_PERSON, "The PIN was wrong.")
        self.assert_presented(pin_presented=1, pin_refused=1)
        self.assert_ends(self.change(agent, old=WRONG_PIN), EXIT_PERSON, "The PIN was wrong.", "1 try is left.")
        self.assert_presented(pin_presented=2, pin_refused=2)
        self.assertNotIn("CONFIRM", agent.told)
        command = agent.pin("change")
        warning = self.display.dialog(command)
        until(lambda: "CONFIRM" in agent.told, "the question is asked before the PIN")
        self.assertIn("Only one try is left for the PIN", agent.told)
        self.display.picture("pin-change-final-try")
        warning.press("Escape")
        self.assert_ends(command, EXIT_PERSON, "Cancelled: the PIN is as it was.")
        self.assert_presented(pin_presented=2, pin_refused=2)
        command = agent.pin("change")
        self.display.dialog(command).press("Tab", "Return")  # Cancel has the focus
        self.display.dialog(command).type_pin(PIN)
        self.type_new(NEW_PIN, command)
        self.assert_ends(command, EXIT_DONE)
        self.assertEqual(self.card.tries, 3)

    def test_what_differs_costs_nothing(self):
        """a new PIN that is not repeated, or too short, is told and asked again; no try is spent"""
        agent = self.agent(recorded=True)
        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN)
        dialog = self.display.dialog(command)
        dialog.type_twice(NEW_PIN, "11112222")
        dialog.press("Escape")  # the pinentry itself says so and stays: one that was gone would not see this
        self.assert_ends(command, EXIT_PERSON, "user_cancelled")
        self.assert_presented()

        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN)
        dialog = self.display.dialog(command)
        dialog.type_twice("123")
        dialog.gone()
        dialog = self.display.dialog(command)
        until(lambda: "The PIN has 4 to 8 characters. Nothing was tried." in agent.told, "what is wrong is told")
        self.display.picture("pin-change-too-short")
        self.assert_presented()
        dialog.type_twice(NEW_PIN)
        self.assert_ends(command, EXIT_DONE)
        self.assert_presented(pin_presented=2)

    def test_a_pinentry_that_cannot_repeat(self):
        """where the pinentry does not ask twice the agent does: two entries that differ are told and asked again"""
        plain = pathlib.Path(self.folder) / "plain-pinentry"
        # Real in all but that it does not know SETREPEAT, as those of old.
        plain.write_text("#!/bin/bash\nexec /usr/bin/pinentry-gtk-2 < <(sed -u s/^SETREPEAT/NOSUCH/)\n", encoding="utf-8")
        plain.chmod(0o700)
        agent = self.agent(pinentry=str(plain), recorded=True)
        command = agent.pin("change")
        for typed in (PIN, NEW_PIN, "11112222"):
            self.display.dialog(command).type_pin(typed)
        dialog = self.display.dialog(command)
        until(lambda: "The two were not the same. Type them again." in agent.told, "what is wrong is told")
        self.assert_presented()
        dialog.type_pin(NEW_PIN)
        self.display.dialog(command).type_pin(NEW_PIN)
        self.assert_ends(command, EXIT_DONE)
        self.assert_presented(pin_presented=2)

    def test_a_pinentry_that_never_greets(self):
        """a pinentry that starts and says nothing is given up, by name; the agent's stop does not wait for it"""
        silent = pathlib.Path(self.folder) / "silent-pinentry"
        silent.write_text("#!/bin/sh\nsleep 1000\n", encoding="utf-8")
        silent.chmod(0o700)
        agent = self.agent(pinentry=str(silent))
        self.assert_ends(agent.pin("change"), agent_case.EXIT_MACHINE, "no_dialog_possible", f"{silent} did not greet within 10 s", "dialog.pinentry")
        command = agent.pin("change")
        until(lambda: subprocess.run(["pgrep", "-f", str(silent)], check=False, capture_output=True).stdout, "the pinentry runs")
        began = time.monotonic()
        self.assertEqual(agent.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        command.exit_code()
        self.assert_presented()

    def test_cancels(self):
        """Escape, an empty PIN and Ctrl-C change nothing and present nothing"""
        agent = self.agent()
        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN, then="Escape")
        self.assert_ends(command, EXIT_PERSON, "Cancelled: the PIN is as it was.")
        command = agent.pin("change")
        self.display.dialog(command).press("Return")
        self.assert_ends(command, EXIT_PERSON, "user_cancelled")
        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN)
        dialog = self.display.dialog(command)
        command.interrupt()
        dialog.gone()
        command.exit_code()
        self.assert_presented()
        self.assert_opens(agent, PIN)

    def test_lock_closes_the_dialog(self):
        """`signet lock` takes the dialog away, and what was typed goes nowhere"""
        agent = self.agent()
        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN)
        dialog = self.display.dialog(command)
        agent.query("lock")
        dialog.gone()
        self.assert_ends(command, EXIT_PERSON, "user_cancelled")
        self.assert_presented()

    def test_letters_are_not_a_try(self):
        """a new PIN that the card does not take is said to be that; the old one counts"""
        agent = self.agent()
        self.assert_ends(self.change(agent, new="abcdef"), EXIT_PERSON, "The token does not take this as a new PIN.")
        self.assert_presented(pin_presented=1)
        self.assert_opens(agent, PIN)

    def test_a_kept_pin_is_wiped(self):
        """a PIN that is kept for the session is not presented after it was changed"""
        agent = self.agent(scope="session")
        self.assert_opens(agent, PIN)
        self.assertEqual(agent.status()["pins_kept"], 1)
        self.assert_ends(self.change(agent), EXIT_DONE)
        self.assertEqual(agent.status()["pins_kept"], 0)
        self.assert_opens(agent, NEW_PIN)
        self.assertEqual(self.card.presented["pin_refused"], 0)

    def test_not_while_a_batch_uses_the_token(self):
        """while a batch signs, or its dialog is open, the PIN is not changed"""
        agent = self.agent()
        signing = self.sign(agent, self.documents(1))
        dialog = self.display.dialog(signing)
        self.assert_ends(agent.pin("change"), EXIT_PERSON, "The token is being used", "card_busy")
        dialog.type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        self.assertEqual(self.card.presented["pin_refused"], 0)

    def test_another_card_meanwhile(self):
        """a card that is pulled while the dialog is open: nothing is presented"""
        agent = self.agent()
        command = agent.pin("change")
        dialog = self.display.dialog(command)
        self.card.pull()
        dialog.type_pin(PIN)
        self.type_new(NEW_PIN, command)
        self.assert_ends(command, EXIT_PERSON, "token_removed")
        self.assert_presented()

    def test_the_card_is_pulled_before_it_answers(self):
        """a card that is pulled after it took the new PIN: the outcome is said to be unknown, and nothing is repeated"""
        agent = self.agent()
        self.card.tell("at 2 presentation lose")
        self.assert_ends(self.change(agent), EXIT_PERSON, "whether it was is not known", "pin_unknown", within_s=60)
        self.assert_presented(pin_presented=2)
        self.card.wait_until_pulled()
        self.card.tell("insert")
        until(lambda: agent.query("tokens").get("tokens"), "the agent sees the card again")
        self.assert_opens(agent, NEW_PIN)

    def test_the_card_fails_meanwhile(self):
        """a card that answers the change with an error: the outcome is unknown too, and it is not asked again"""
        agent = self.agent()
        self.card.tell("at 2 presentation 6F00")
        self.assert_ends(self.change(agent), EXIT_PERSON, "pin_unknown")
        self.assert_presented(pin_presented=1)
        self.assert_opens(agent, PIN)

    def test_the_card_fails_at_the_login(self):
        """a card that fails before the old PIN was accepted has not been changed"""
        agent = self.agent()
        self.card.tell("at 1 presentation 6F00")
        command = self.change(agent)
        self.assertNotEqual(command.exit_code(), EXIT_DONE)
        self.assertNotIn("pin_unknown", command.said)
        self.assert_presented()

    def test_named_tokens(self):
        """a token is named by serial number or label; a name that none has is told"""
        agent = self.agent()
        serial = agent.query("tokens")["tokens"][0]["serial"]
        self.assert_ends(agent.pin("change", "--token", "nobody"), EXIT_PERSON, "no_token")
        command = agent.pin("change", "--token", serial)
        self.display.dialog(command).press("Escape")
        self.assert_ends(command, EXIT_PERSON, "user_cancelled")

    def test_pins_by_standard_input(self):
        """a script brings both PINs by standard input; not for what may be the last try"""
        agent = self.agent()
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{PIN}\n{NEW_PIN}\n"), EXIT_DONE)
        self.assert_presented(pin_presented=2)
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{NEW_PIN}\n"), EXIT_PERSON, "user_cancelled")
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{NEW_PIN}\n123\n"), EXIT_PERSON, "pin_length")
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{'1' * 300}\n"), EXIT_CALLER, "too long")
        self.assert_presented(pin_presented=2)
        for refused in (1, 2):
            self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{WRONG_PIN}\n{PIN}\n"), EXIT_PERSON, "pin_incorrect")
            self.assert_presented(pin_presented=2 + refused, pin_refused=refused)
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{NEW_PIN}\n{PIN}\n"), EXIT_PERSON, "may be the last try")
        self.assert_presented(pin_presented=4, pin_refused=2)
        self.assertEqual(self.display.dialogs(), [])

    def test_json(self):
        """--json answers one object, also for an error"""
        agent = self.agent()
        command = agent.pin("change", "--json", "--pin-stdin", stdin=f"{PIN}\n{NEW_PIN}\n")
        self.assert_ends(command, EXIT_DONE)
        self.assertRegex(command.said, r'^\{"label":"Card Bench Owner","serial":"[0-9a-f]+"\}\n$')
        typed_wrong("pin")  # it is another one now
        command = agent.pin("change", "--json", "--pin-stdin", stdin=f"{PIN}\n{NEW_PIN}\n")
        self.assert_ends(command, EXIT_PERSON)
        self.assertIn('"code":"pin_incorrect"', command.said)


class CatalogueTest(PinTest):
    """What the catalogue knows of a token counts, and nothing is guessed where it knows nothing."""

    FAMILY = """
[[devices.family]]
family = "bench"
name = "Card of the bench"
atr = ["3B 85 01 80 73 80 01 C0 .."]
modules = [{{ name = "OpenSC", files = ["opensc-pkcs11.so"], quirks = {{ {quirks} }} }}]
"""

    def agent(self, quirks="", **options):
        return super().agent(**{"modules": [], "more": self.FAMILY.format(quirks=quirks), **options})

    def test_unblock_is_not_guessed(self):
        """where neither catalogue nor configuration says how a PIN is unblocked, no dialog opens and nothing is presented"""
        self.card_again("block")
        for quirks, tool in (("", None), ('vendor_tool = "Card Manager"', "Card Manager")):
            agent = self.agent(quirks=quirks)
            for options in ({}, {"stdin": f"{PUK}\n{NEW_PIN}\n"}):
                command = agent.pin("unblock", *(["--pin-stdin"] if options else []), **options)
                self.assert_ends(command, EXIT_PERSON, "unblock_unknown", "Ask whoever issued the token", *([tool] if tool else []))
            said = agent.say("tokens", "--explain")
            self.assertIn("how it is unblocked is not known here", said)
            self.assertNotIn("signet pin unblock", said)
        # A card that no family knows, with a module that the configuration names and says nothing of.
        agent = self.agent(modules=None, module_keys="", more="")
        self.assert_ends(agent.pin("unblock"), EXIT_PERSON, "unblock_unknown", "modules.unblock")
        self.assertEqual(self.display.dialogs(), [])
        self.assert_presented()

    def test_unblock_as_the_catalogue_says(self):
        """the catalogue's way is taken, and the configuration's before it"""
        self.card_again("block")
        agent = self.agent(quirks='unblock = "puk"')
        self.assert_ends(self.unblock(agent), EXIT_DONE, "is unblocked")
        self.assert_presented(puk_presented=1)
        agent = self.agent(quirks='unblock = "puk"', modules=None, module_keys='unblock = "vendor_tool"')
        self.assert_ends(agent.pin("unblock"), agent_case.EXIT_MACHINE, "mechanism_unsupported")
        self.assert_presented(puk_presented=1)

    def test_a_pin_of_a_length_that_it_cannot_have(self):
        """a PIN that the catalogue's lengths, or the token's own, rule out costs no try: neither at a signature nor at a change"""
        agent = self.agent(quirks="pin_min = 6, pin_max = 8", recorded=True)
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin("4711")
        self.assert_ends(signing, EXIT_PERSON, "pin_length")
        command = agent.pin("change")
        self.display.dialog(command).type_pin("4711")
        until(lambda: "The PIN has 6 to 8 characters. Nothing was tried." in agent.told, "what is wrong is told")
        self.display.dialog(command).press("Escape")
        self.assert_ends(command, EXIT_PERSON, "user_cancelled")
        script = agent.pin("change", "--pin-stdin", stdin=f"4711\n{NEW_PIN}\n")
        self.assert_ends(script, EXIT_PERSON, "pin_length")
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{PIN}\n4711\n"), EXIT_PERSON, "pin_length")
        for told in ("12345678901", "123"):
            plain = self.agent()  # 4 to 8, as the token says
            signing = self.sign(plain, self.documents(1))
            self.display.dialog(signing).type_pin(told)
            self.assert_ends(signing, EXIT_PERSON, "pin_length")
        self.assert_presented()
        self.assertEqual(self.card.tries, 3)

    def test_mechanisms_that_do_not_work(self):
        """where the catalogue says that the card's mechanism does not work nobody is asked for a PIN"""
        agent = self.agent(quirks='mechanisms = ["CKM_ECDSA"]')
        self.assert_ends(self.sign(agent, self.documents(1)), agent_case.EXIT_MACHINE, "mechanism_unsupported")
        self.assertEqual(self.display.dialogs(), [])
        self.assert_presented()

    def test_a_context_login_for_each_signature(self):
        """with always_authenticate the PIN is presented before each signature, whatever the key says; without it never"""
        der = ssl.PEM_cert_to_DER_cert((self.work / "card" / "9A.crt").read_text())
        self.certificate = hashlib.sha256(der).hexdigest()  # a key that does not want it
        for quirks, presented in (("", 1), ("always_authenticate = true", 1 + 3)):
            self.card.make_new()
            self.out = self.folder / f"out-{presented}"
            agent = self.agent(quirks=quirks)
            signing = self.sign(agent, self.documents(3))
            self.display.dialog(signing).type_pin(PIN)
            self.assert_ends(signing, EXIT_DONE)
            self.assert_presented(pin_presented=presented)


class UnblockTest(PinTest):
    def test_a_locked_pin_is_unblocked(self):
        """a locked PIN: a batch and a change say what to do, the PUK unblocks it, and the new PIN signs"""
        self.card_again("block")
        agent = self.agent(recorded=True)
        self.assert_ends(self.sign(agent, self.documents(1)), EXIT_PERSON, "pin_locked", "`signet pin unblock`")
        self.assert_ends(agent.pin("change"), EXIT_PERSON, "pin_locked", "`signet pin unblock`")
        self.assertEqual(self.display.dialogs(), [])
        command = agent.pin("unblock")
        dialog = self.display.dialog(command)
        self.display.picture("pin-unblock")
        dialog.type_pin(PUK)
        dialog = self.display.dialog(command)
        self.display.picture("pin-unblock-new")
        dialog.type_twice(NEW_PIN)
        self.assert_ends(command, EXIT_DONE, "is unblocked")
        self.assert_presented(puk_presented=1)
        self.assertIn("Type its PUK.", agent.told)
        self.assertEqual(self.card.tries, 3)
        self.assert_opens(agent, NEW_PIN)

    def test_with_qt(self):
        """the same with the pinentry that is made with Qt"""
        if not pathlib.Path("/usr/bin/pinentry-qt").exists():
            self.lacking("no pinentry-qt")
        self.card_again("block")
        agent = self.agent(pinentry="/usr/bin/pinentry-qt")
        self.assert_ends(self.unblock(agent), EXIT_DONE)
        self.assert_presented(puk_presented=1)

    def test_a_forgotten_pin_costs_no_try_of_it(self):
        """a PIN that is not locked is unblocked too: the PUK is never taken for a PIN"""
        agent = self.agent()
        self.assert_ends(self.unblock(agent), EXIT_DONE)
        self.assert_presented(puk_presented=1)
        self.assert_opens(agent, NEW_PIN)

    def test_a_wrong_puk_costs_one_try(self):
        """a wrong PUK costs exactly one try each; after the first one the person is asked whether to go on"""
        self.card_again("block")
        agent = self.agent(recorded=True)
        self.assert_ends(self.unblock(agent, puk=WRONG_PUK), EXIT_PERSON, "The PUK or SO PIN was wrong.")
        self.assert_presented(puk_presented=1, puk_refused=1)
        self.assertNotIn("CONFIRM", agent.told)
        command = agent.pin("unblock")
        warning = self.display.dialog(command)
        until(lambda: "CONFIRM" in agent.told, "the question is asked before the PUK")
        self.assertIn("does not say how many tries are left", agent.told)
        self.display.picture("pin-unblock-perhaps-final")
        warning.press("Escape")
        self.assert_ends(command, EXIT_PERSON, "user_cancelled")
        self.assert_presented(puk_presented=1, puk_refused=1)
        script = agent.pin("unblock", "--pin-stdin", stdin=f"{PUK}\n{NEW_PIN}\n")
        self.assert_ends(script, EXIT_PERSON, "may be the last try")
        self.assert_presented(puk_presented=1, puk_refused=1)
        command = agent.pin("unblock")
        self.display.dialog(command).press("Tab", "Return")
        self.display.dialog(command).type_pin(PUK)
        self.type_new(NEW_PIN, command)
        self.assert_ends(command, EXIT_DONE)
        self.assert_presented(puk_presented=2, puk_refused=1)
        self.assert_opens(agent, NEW_PIN)

    def test_a_locked_puk(self):
        """a PUK that is locked is said plainly: only the issuer can help"""
        self.card_again("block")
        self.card.tell("block puk")
        agent = self.agent()
        typed_wrong("puk")  # the right one comes too late
        self.assert_ends(self.unblock(agent), EXIT_PERSON, "puk_locked", "Only whoever issued the token can help.")

    def test_by_standard_input(self):
        """a script brings PUK and new PIN by standard input"""
        self.card_again("block")
        agent = self.agent()
        self.assert_ends(agent.pin("unblock", "--pin-stdin", stdin=f"{PUK}\r\n{NEW_PIN}\r\n"), EXIT_DONE)
        self.assert_presented(puk_presented=1)

    def test_opensc_conf_of_the_administrator(self):
        """what opensc.conf says of other things holds in the host that unblocks, too, and a block of its own for us is no harm"""
        conf = self.folder / "opensc.conf"
        theirs = "app opensc-pkcs11 { pkcs11 { user_pin_unblock_style = none; } }\n"
        conf.write_text(theirs + pathlib.Path(os.environ["OPENSC_CONF"]).read_text())
        agent = self.agent(opensc_conf=conf)
        self.assert_ends(self.unblock(agent), EXIT_DONE)
        self.assert_presented(puk_presented=1)
        # The style that a change must not be confused by.
        conf.write_text(conf.read_text().replace("= none", "= set_pin_in_unlogged_session"))
        self.assert_ends(self.change(agent, old=WRONG_PIN), EXIT_PERSON, "pin_incorrect")
        self.assert_presented(puk_presented=1, pin_presented=1, pin_refused=1)


class PageTest(PinTest):
    def test_a_page_is_refused(self):
        """a web page can neither change nor unblock a PIN: it is told that there is no such method"""
        agent = self.agent()
        page = agent.page()
        self.addCleanup(page.close)
        for method in ("pin.change", "pin.unblock"):
            with self.assertRaises(Refused) as refused:
                page.call(method, token="", pin="descriptor")
            self.assertEqual(refused.exception.code, "method_unknown")
        self.assertEqual(self.display.dialogs(), [])
        self.assert_presented()


class KeepingTest(PinTest):
    """What the dialog for signing says of the PIN that it asks for."""

    def told(self, scope):
        agent = self.agent(scope=scope, recorded=True)
        signing = self.sign(agent, self.documents(1))
        dialog = self.display.dialog(signing)
        self.display.picture(f"keeping-{scope}")
        dialog.type_pin(PIN)
        self.assert_ends(signing, EXIT_DONE)
        return agent

    def test_scopes(self):
        """each scope says what is kept, and a kept PIN until when"""
        self.assertIn("The PIN is not kept: each signature asks for it.", self.told("off").told)
        self.assertIn("The PIN is kept until these are signed.", self.told("batch").told)
        agent = self.told("session")
        self.assertRegex(agent.told, r"The PIN is kept for what this asker wants signed next, until \d\d:\d\d at the latest\.")
        signing = self.sign(agent, self.documents(1))
        dialog = self.display.dialog(signing)
        self.display.picture("keeping-session-kept")
        until(lambda: re.search(r"The PIN that you typed before is used; it is kept until \d\d:\d\d\.", agent.told), "it is told")
        dialog.press("Tab", "Return")
        self.assert_ends(signing, EXIT_DONE)


class MemoryTest(PinTest):
    def setUp(self):
        # Its allocator keeps freed memory, and its shadow is terabytes: what is asked here is asked of other builds.
        if b"__asan_init" in (self.bin / "signetd").read_bytes():
            self.skipTest("a build with AddressSanitizer")
        super().setUp()

    def scanned(self, process, secret):
        try:
            return memory_traces(process, secret)
        except PermissionError:
            self.lacking("this user may not read signetd's memory")

    def assert_clean(self, agent, *secrets):
        argument = pathlib.Path(f"/proc/{agent.process}/cmdline").read_bytes().split(b"\0")[-2].decode()
        self.assertTrue(self.scanned(agent.process, argument), "the scan reads what is there")
        for process in [agent.process, *agent.hosts()]:
            for secret in secrets:
                self.assertEqual(self.scanned(process, secret), [])

    def test_change(self):
        """while a PIN is typed and set it is in locked pages alone, afterwards nowhere"""
        agent = self.agent()
        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN)
        dialog = self.display.dialog(command)  # the old PIN waits for the new one
        found = self.scanned(agent.process, PIN)
        self.assertTrue(found, "the scan finds a PIN that is there")
        self.assertEqual([address for address, locked in found if not locked], [])
        dialog.type_twice(NEW_PIN)
        self.assert_ends(command, EXIT_DONE)
        self.assert_clean(agent, PIN, NEW_PIN)

    def test_unblock(self):
        """the same for PUK and new PIN"""
        self.card_again("block")
        agent = self.agent()
        command = agent.pin("unblock")
        self.display.dialog(command).type_pin(PUK)
        dialog = self.display.dialog(command)
        found = self.scanned(agent.process, PUK)
        self.assertTrue(found, "the scan finds a PUK that is there")
        self.assertEqual([address for address, locked in found if not locked], [])
        dialog.type_twice(NEW_PIN)
        self.assert_ends(command, EXIT_DONE)
        self.assert_clean(agent, PUK, NEW_PIN)

    def test_refused_and_given_by_standard_input(self):
        """also what was refused, what was cancelled half-way and what came by standard input is nowhere afterwards"""
        agent = self.agent()
        self.assert_ends(self.change(agent, old=WRONG_PIN), EXIT_PERSON)
        command = agent.pin("change")
        self.display.dialog(command).type_pin(PIN)
        self.display.dialog(command).press("Escape")
        self.assert_ends(command, EXIT_PERSON)
        self.assert_clean(agent, WRONG_PIN, PIN, NEW_PIN)
        self.assert_ends(agent.pin("change", "--pin-stdin", stdin=f"{PIN}\n{NEW_PIN}\n"), EXIT_DONE)
        self.assert_ends(agent.pin("unblock", "--pin-stdin", stdin=f"{PUK}\n{PIN}\n"), EXIT_DONE)
        self.assert_clean(agent, PIN, NEW_PIN, PUK)


if __name__ == "__main__":
    agent_case.main(__doc__)
