#pragma once

#include <string>
#include <vector>

#include "agent_under_test.hpp"
#include "figures.hpp"

namespace signet::bench {

// SIGKILL of a token host until the agent lists its token again, against the same of a process of its own (raw_token.hpp); the
// medians are printed. `name`: of the figure.
Figure killed_until_ready(const AgentUnderTest& agent, const std::string& module, const std::string& name, unsigned rounds);

// With the card of tests/card's bench, whose control socket is SIGNET_CARD_CTL: a card is put in until the agent's event is read
// from its WebSocket, against C_WaitForSlotEvent by hand; blocks by turns, medians.
Figure inserted_until_event(const AgentUnderTest& agent, const std::string& module);

// What 200 times plugging in and out and 50 killed hosts leave behind in the agent: RSS and descriptors. Some six minutes.
std::vector<Figure> wear_of_plugging(const AgentUnderTest& agent);

// A line to the control socket of the card, such as "delay 0".
void tell_card(const std::string& line);

}  // namespace signet::bench
