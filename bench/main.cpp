#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <map>

#include "agent_under_test.hpp"
#include "demo/files.hpp"
#include "demo/softhsm.hpp"
#include "raw_loop.hpp"
#include "web_socket_client.hpp"
#include "xades/build.hpp"

using namespace signet;
using bench::AgentUnderTest;

namespace {

struct Options {
  std::filesystem::path programs, demo;
  bool json = false, card = false;
  unsigned rounds = 3;
  std::string card_module, card_ids = "02";
};

struct Figure {
  std::string name;
  double value;
  double target;
  bool at_least;
  std::string what;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

struct Folder {
  std::filesystem::path path = [] {
    std::string name = (std::filesystem::temp_directory_path() / "signet-bench-XXXXXX").string();
    return std::filesystem::path(::mkdtemp(name.data()));
  }();
  ~Folder() { std::filesystem::remove_all(path); }
};

void note(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

// The raw loop and the batch by turns; the median of the rounds' ratios.
double against_raw(const AgentUnderTest& agent, const std::string& certificate, base::Bytes cka_id, std::size_t count,
                   unsigned rounds) {
  std::vector<double> ratios;
  for (unsigned round = 0; round < rounds; ++round) {
    const double raw = static_cast<double>(count) /
                       bench::raw_loop(demo::SoftHsm::module, cka_id, demo::SoftHsm::default_pin, false, count).count();
    const auto run = bench::run_batch(agent.port(), AgentUnderTest::origin, certificate, count, xades::Level::b_b);
    const double batch = static_cast<double>(run.results) / run.time.count();
    ratios.push_back(batch / raw);
    note("  round " + std::to_string(round + 1) + ": raw " + std::to_string(raw) + "/s, batch " + std::to_string(batch) + "/s");
  }
  return median(ratios);
}

// Writing what is hashed and what is sent of one B-B, on one core's CPU time, with keys out of the way.
double assembly_cpu_us() {
  demo::Authority authority("Bench CA", now());
  const demo::Identity signer = authority.issue({.common_name = "Bench"});
  const xades::SignatureWriter writer(
      {signer.certificate, {}, {xades::KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256}, xades::Packaging::detached});
  const base::Bytes value(256, 0x5A);
  constexpr std::size_t count = 100'000;
  std::size_t bytes = 0;
  const auto assemble = [&](std::size_t i) {
    const std::string name = "document-" + std::to_string(i) + ".pdf";
    const xades::DataObject object{name, base::digest(base::DigestAlgorithm::sha256, base::as_bytes(name))};
    const std::string id = "signet-" + std::to_string(i);
    const xades::SignatureContent content{id, now(), {&object, 1}};
    bytes += writer.to_be_signed(content).bytes().size();
    bytes += writer.document(content, value).size();
  };
  for (std::size_t i = 0; i < 1'000; ++i) assemble(i);
  const std::clock_t begin = std::clock();
  for (std::size_t i = 0; i < count; ++i) assemble(i);
  const double us = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC * 1e6 / count;
  note("  " + std::to_string(us) + " us, " + std::to_string(bytes / (count + 1'000)) + " bytes each");
  return us;
}

void on_softhsm(const Options& options, std::vector<Figure>& figures) {
  const Folder folder;
  demo::write_pki(folder.path / "pki", {"rsa2048", "p256"}, now());
  const auto token = demo::SoftHsm::make_in(folder.path / "softhsm", base::as_bytes(demo::SoftHsm::default_pin), "bench");
  std::uint8_t id = 0;
  for (const std::string name : {"signer-rsa2048", "signer-p256"}) {
    const auto identity = demo::read_identity(folder.path / "pki" / (name + ".pem"), folder.path / "pki" / (name + ".key"));
    token.import(base::Bytes{++id}, name, identity.key.get(), identity.certificate.der());
  }
  const AgentUnderTest agent({.programs = options.programs,
                              .demo = options.demo,
                              .folder = folder.path / "agent",
                              .module = demo::SoftHsm::module,
                              .pin = demo::SoftHsm::default_pin,
                              .pki = {},
                              .tsa_delay_ms = 0});
  const std::string rsa = agent.certificate("Ana");
  const std::string ec = agent.certificate("Ion");
  note("idle agent and host");
  figures.push_back(
      {"pss_idle_mb", static_cast<double>(agent.pss_kib()) / 1024, 25, false, "idle agent and one token host, PSS"});
  note("RSA-2048, 4000 signatures a round");
  figures.push_back({"batch_rsa2048_vs_raw", against_raw(agent, rsa, {1}, 4'000, options.rounds), 0.95, true,
                     "WebSocket to XAdES-B-B against C_Sign, RSA-2048"});
  note("P-256, 20000 signatures a round");
  figures.push_back({"batch_p256_vs_raw", against_raw(agent, ec, {2}, 20'000, options.rounds), 0.85, true,
                     "WebSocket to XAdES-B-B against C_Sign, P-256"});
  note("a batch of 100000");
  const long before = agent.rss_kib();
  long most = before;
  bench::run_batch(agent.port(), AgentUnderTest::origin, ec, 100'000, xades::Level::b_b,
                   [&] { most = std::max(most, agent.rss_kib()); });
  figures.push_back({"rss_growth_100k_mb", static_cast<double>(most - before) / 1024, 40, false,
                     "growth of the agent's RSS in a batch of 100 000"});
}

// A card that takes 200 ms a signature, a TSA that is 100 ms away: the card must never wait. Run by scripts/bench in tests/card's
// bench.
void on_card(const Options& options, std::vector<Figure>& figures) {
  const Folder folder;
  demo::write_pki(folder.path / "pki", {"p256"}, now());
  const char* const pin = "471108";
  constexpr std::size_t count = 50;
  std::vector<double> ratios;
  const AgentUnderTest agent({.programs = options.programs,
                              .demo = options.demo,
                              .folder = folder.path / "agent",
                              .module = options.card_module,
                              .pin = pin,
                              .pki = folder.path / "pki",
                              .tsa_delay_ms = 100});
  const std::string certificate = agent.certificate("9C");
  for (unsigned round = 0; round < 2; ++round) {
    const double raw =
        count / bench::raw_loop(options.card_module, base::from_hex(options.card_ids).value(), pin, true, count).count();
    const auto run = bench::run_batch(agent.port(), AgentUnderTest::origin, certificate, count, xades::Level::b_t);
    if (run.without_time_stamp != 0) throw std::runtime_error("a time stamp is missing");
    ratios.push_back(count / run.time.count() / raw);
    note("  round " + std::to_string(round + 1) + ": card " + std::to_string(raw) + "/s, batch B-T " +
         std::to_string(count / run.time.count()) + "/s");
  }
  figures.push_back(
      {"card_bt_vs_card", median(ratios), 0.97, true, "PIV card at 200 ms, B-T with a TSA 100 ms away, against the card"});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Measures Signet against the token's own speed. Run by scripts/bench."};
  app.add_option("--programs", options.programs)->required();
  app.add_option("--demo", options.demo)->required();
  app.add_option("--rounds", options.rounds)->capture_default_str();
  app.add_option("--card-module", options.card_module, "Measure the card behind this module instead");
  app.add_flag("--json", options.json);
  CLI11_PARSE(app, argc, argv);
  std::vector<Figure> figures;
  try {
    if (!options.card_module.empty()) {
      on_card(options, figures);
    } else {
      on_softhsm(options, figures);
      note("assembly");
      figures.push_back(
          {"assembly_cpu_us", assembly_cpu_us(), 5, false, "writing one B-B twice (to hash, to send), CPU microseconds"});
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
  for (const Figure& figure : figures) {
    if (options.json) {
      std::printf("%s %.4f\n", figure.name.c_str(), figure.value);
    } else {
      const bool met = figure.at_least ? figure.value >= figure.target : figure.value <= figure.target;
      std::printf("%-22s %10.3f  %s %-6g %s  %s\n", figure.name.c_str(), figure.value,
                  figure.at_least ? ">=" : "<=", figure.target, met ? "met    " : "NOT MET", figure.what.c_str());
    }
  }
  return 0;
}
