#include "plugging.hpp"

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "raw_token.hpp"
#include "web_socket_client.hpp"

namespace signet::bench {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

void kill_host(const AgentUnderTest& agent) {
  const pid_t host = agent.host_process();
  if (host == 0) throw std::runtime_error("no host runs");
  kill(host, SIGKILL);
}

// Lines to a UNIX socket and back.
class LineSocket {
 public:
  explicit LineSocket(const std::filesystem::path& path) : socket_(io_) { socket_.connect(path.string()); }

  // The next line that is no event.
  std::string ask(const std::string& line) {
    asio::write(socket_, asio::buffer(line + "\n"));
    for (;;) {
      const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(read_), '\n');
      const std::string answer = read_.substr(0, size);
      read_.erase(0, size);
      if (!answer.starts_with("{\"event\"")) return answer;
    }
  }

 private:
  asio::io_context io_;
  asio::local::stream_protocol::socket socket_;
  std::string read_;
};

// Asks the agent for its tokens, as often as it takes to be shown one.
class Listing {
 public:
  explicit Listing(const AgentUnderTest& agent) : control_(agent.control_socket()) {
    control_.ask(R"({"id":1,"method":"hello","params":{"protocol":1,"client":"bench"}})");
  }

  void wait_for_token() {
    const auto begin = Clock::now();
    while (!control_.ask(R"({"id":2,"method":"tokens"})").contains("\"label\""))
      if (ms_since(begin) > 60'000) throw std::runtime_error("the token did not come back");
  }

 private:
  LineSocket control_;
};

Figure compared(const std::string& name, const std::vector<double>& ours, const std::vector<double>& raw,
                const std::string& what) {
  char line[160];
  std::snprintf(line, sizeof line, "  %s: medians %.1f ms, by hand %.1f ms", name.c_str(), median(ours), median(raw));
  note(line);
  return {name, median(ours) / median(raw), 1.5, false, what};
}

}  // namespace

void tell_card(const std::string& line) {
  const char* const path = std::getenv("SIGNET_CARD_CTL");
  const std::string answer = path == nullptr ? "SIGNET_CARD_CTL is not set" : LineSocket(path).ask(line);
  if (!answer.contains("\"ok\": true")) throw std::runtime_error("the card does not " + line + ": " + answer);
}

Figure killed_until_ready(const AgentUnderTest& agent, const std::string& module, const std::string& name, unsigned rounds) {
  std::vector<double> ours, raw;
  Listing listing(agent);
  RawToken by_hand(module);
  by_hand.wait_until(true);
  for (unsigned round = 0; round < rounds; ++round) {
    agent.restart_module();
    listing.wait_for_token();
    auto begin = Clock::now();
    kill_host(agent);
    listing.wait_for_token();
    ours.push_back(ms_since(begin));
    begin = Clock::now();
    by_hand.kill_and_start();
    by_hand.wait_until(true);
    raw.push_back(ms_since(begin));
  }
  return compared(name, ours, raw, "a killed host until its token is listed again, against a program of one's own");
}

Figure inserted_until_event(const AgentUnderTest& agent, const std::string& module) {
  constexpr unsigned blocks = 4, in_a_block = 8;
  std::vector<double> ours, raw;
  const auto block = [&](auto& watcher, std::vector<double>& times) {
    for (unsigned i = 0; i < in_a_block; ++i) {
      // OpenSC sees nothing of what happens just before it begins to wait.
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      tell_card("remove");
      watcher.wait_until(false);
      // So that insertions fall anywhere between two looks of pcscd at its readers.
      std::this_thread::sleep_for(std::chrono::milliseconds(300 + 37 * i));
      const auto begin = Clock::now();
      tell_card("insert");
      watcher.wait_until(true);
      times.push_back(ms_since(begin));
    }
  };
  for (unsigned i = 0; i < blocks; ++i) {
    {
      TokenEvents page(agent.port(), AgentUnderTest::origin);
      block(page, ours);
    }
    RawToken by_hand(module);
    by_hand.wait_until(true);
    block(by_hand, raw);
  }
  return compared("inserted_event_vs_raw", ours, raw, "a card is put in until a page is told, against C_WaitForSlotEvent");
}

std::vector<Figure> wear_of_plugging(const AgentUnderTest& agent) {
  constexpr unsigned cycles = 200, crashes = 50;
  TokenEvents page(agent.port(), AgentUnderTest::origin);
  Listing listing(agent);
  const auto plug = [&] {
    tell_card("remove");
    page.wait_until(false);
    tell_card("insert");
    page.wait_until(true);
  };
  const auto crash = [&] {
    kill_host(agent);
    listing.wait_for_token();
    agent.restart_module();
    listing.wait_for_token();
  };
  // The first times fill caches: of the C library's arenas, of the catalogue's reading.
  for (unsigned i = 0; i < cycles / 10; ++i) plug();
  for (unsigned i = 0; i < crashes / 10; ++i) crash();
  const long before_kib = agent.rss_kib();
  const std::size_t before = agent.descriptors();
  for (unsigned i = 0; i < cycles; ++i) {
    plug();
    if (i % (cycles / crashes) == 0) crash();
  }
  const long after_kib = agent.rss_kib();
  const std::size_t after = agent.descriptors();
  char line[160];
  std::snprintf(line, sizeof line, "  %u times plugged in, %u crashes: RSS %ld to %ld KiB, descriptors %zu to %zu", cycles,
                crashes, before_kib, after_kib, before, after);
  note(line);
  return {{"plug_cycles_rss_growth_mb", static_cast<double>(after_kib - before_kib) / 1024, 1, false,
           "growth of the agent's RSS in 200 plug cycles and 50 host crashes"},
          {"plug_cycles_descriptors", static_cast<double>(after) - static_cast<double>(before), 0, false,
           "growth of its number of descriptors meanwhile"}};
}

}  // namespace signet::bench
