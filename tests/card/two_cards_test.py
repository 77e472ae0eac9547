#!/usr/bin/python3
"""Two tokens at once, and one that takes another's place while a person types.

usage: two_cards_test.py FOLDER-OF-SIGNETD [unittest's arguments]

Exit code 77 (1 where CI=true) when this machine cannot run it.
"""
import agent_case
from agent_bench import PIN, Card, until
from agent_case import AgentTest
from busy_test import Holder


class TwoCardsTest(AgentTest):
    def setUp(self):
        super().setUp()
        self.other = Card(2)
        self.other.make_new()

    def verified(self, card):
        return card.tell("status")["pin_presented"]

    def labels(self, agent):
        return {token["label"] for token in agent.query("tokens")["tokens"]}

    def test_both_are_shown(self):
        """each of two tokens is shown with its certificates, and the one that is chosen signs"""
        agent = self.agent(modules=[])
        until(lambda: self.labels(agent) == {agent_case.OWNER, "Card Bench 2"}, "both tokens are shown")
        before = self.verified(self.other)
        signing = self.sign(agent, self.documents(2))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE)
        self.assert_good(agent)
        self.assertEqual(self.verified(self.other), before, "the other card was not given the PIN")

    def test_another_takes_its_place_while_the_dialog_is_open(self):
        """a token that another one takes the place of while the dialog is open: the PIN goes to neither, and it is said"""
        self.other.tell("remove")
        agent = self.agent(modules=[])
        until(lambda: self.labels(agent) == {agent_case.OWNER}, "one token is shown")
        presented = self.verified(self.card), self.verified(self.other)
        signing = self.sign(agent, self.documents(1))
        dialog = self.display.dialog(signing)
        self.card.pull()
        self.other.tell("insert")
        until(lambda: self.labels(agent) == {"Card Bench 2"}, "the other token is shown")
        dialog.type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_PERSON, "token_removed")
        self.assertEqual((self.verified(self.card), self.verified(self.other)), presented)
        # The first one back, the same key signs without anything being started again.
        self.other.tell("remove")
        self.card.tell("insert")
        until(lambda: self.labels(agent) == {agent_case.OWNER}, "the first token is shown again")
        signing = self.sign(agent, self.documents(1))
        self.display.dialog(signing).type_pin(PIN)
        self.assert_ends(signing, agent_case.EXIT_DONE)

    def test_another_program_holds_one(self):
        """a module that is silent over one card is at fault, whatever another program does with another card"""
        modules = self.bin.parent / "tests/module/modules"
        with Holder(exclusive=True, reader=1) as holder:
            for reader, code, faults in ((holder.readers[0], "token_host_timeout", 1), (holder.readers[1], "card_busy", 0)):
                agent = self.agent(
                    modules=[modules / "hang_in_certificates.so"], module_keys="list_timeout_s = 2\n",
                    more=f'[devices]\nautomatic = false\nmodule_folders = ["{modules}"]\n', environment={"FAKE_TOKEN_SLOT": reader},
                )
                self.assertEqual(agent.query("certs")["error"]["code"], code, reader)
                self.assertEqual(agent.status()["modules"][0]["faults"], faults, reader)


if __name__ == "__main__":
    agent_case.main(__doc__, cards=2)
