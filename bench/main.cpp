#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>

#include "agent_under_test.hpp"
#include "demo/files.hpp"
#include "demo/softhsm.hpp"
#include "figures.hpp"
#include "plugging.hpp"
#include "raw_loop.hpp"
#include "raw_token.hpp"
#include "verifying.hpp"
#include "web_socket_client.hpp"
#include "xades/build.hpp"

using namespace signet;
using bench::AgentUnderTest;
using bench::Figure;
using bench::Folder;
using bench::median;
using bench::note;

namespace {

struct Options {
  std::filesystem::path programs, demo, judges;
  bool json = false, card = false;
  unsigned rounds = 21;
  std::string card_module, card_ids = "02";
  std::vector<std::string> only;
  bool wants(const std::string& part) const { return only.empty() || std::ranges::find(only, part) != only.end(); }
  bool wants_token() const {
    return std::ranges::any_of(std::array{"batch", "always", "stamped", "memory", "killed"},
                               [&](const char* part) { return wants(part); });
  }
};

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

struct Load {
  std::string name;
  base::Bytes cka_id;
  std::string certificate;
  std::size_t raw_count, batch_count;
  bool always_authenticate = false;
};

// The raw loop before and after each batch, and the batch against their mean: what else the machine does slows both. The median
// of the rounds' ratios.
double against_raw(const AgentUnderTest& agent, const Load& load, unsigned rounds) {
  const auto raw_rate = [&] {
    return static_cast<double>(load.raw_count) / bench::raw_loop(demo::SoftHsm::module, load.cka_id, demo::SoftHsm::default_pin,
                                                                 load.always_authenticate, load.raw_count)
                                                     .count();
  };
  note(load.name + ", " + std::to_string(load.batch_count) + " signatures a round");
  std::vector<double> ratios;
  double before = raw_rate();
  for (unsigned round = 0; round < rounds; ++round) {
    const auto cpu_before = agent.cpu();
    const std::size_t asked_before = agent.pins_asked();
    const auto run =
        bench::run_batch(agent.port(), AgentUnderTest::origin, load.certificate, load.batch_count, xades::Level::b_b);
    const auto cpu = agent.cpu() - cpu_before;
    if (agent.pins_asked() > asked_before + 1) throw std::runtime_error(load.name + ": more than one PIN entry in a batch");
    const double batch = static_cast<double>(run.results) / run.time.count();
    const double after = raw_rate();
    ratios.push_back(batch / ((before + after) / 2));
    char line[160];
    std::snprintf(line, sizeof line,
                  "  round %u: raw %.0f/s, batch %.0f/s, raw %.0f/s: %.3f; the agent's CPU %.0f us a signature", round + 1,
                  before, batch, after, ratios.back(), cpu.count() * 1e6 / static_cast<double>(run.results));
    note(line);
    before = after;
  }
  return median(ratios);
}

// One B-B: what the token would sign, then the document; on one core's CPU time, with keys out of the way. The median of
// several thousand at a time, as other work on the machine slows CPU time too.
double assembly_cpu_us() {
  demo::Authority authority("Bench CA", now());
  const demo::Identity signer = authority.issue({.common_name = "Bench"});
  const xades::SignatureParameters parameters{.signing_certificate = signer.certificate,
                                              .chain = {},
                                              .algorithm = {xades::KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256},
                                              .packaging = xades::Packaging::detached,
                                              .shared_id = "signet-0123456789abcdef01234567",
                                              .signing_time = now(),
                                              .objects = 1};
  const base::Bytes value(256, 0x5A);
  std::size_t bytes = 0;
  const auto assemble = [&](const xades::SignatureWriter& writer, std::size_t i, const base::Digest& digest) {
    const std::string name = "document-" + std::to_string(i) + ".pdf";
    const xades::DataObject object{name, digest};
    const std::string id = "signet-0123456789abcdef01234567-" + std::to_string(i);
    const xades::SignatureContent content{id, {&object, 1}};
    bytes += writer.to_be_signed(content).bytes().size();
    bytes += writer.document(content, value).size();
  };
  constexpr std::size_t rounds = 41, count = 5'000;
  std::vector<base::Digest> digests;
  for (std::size_t i = 0; i < count; ++i)
    digests.push_back(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(std::to_string(i))));
  std::vector<double> times;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::clock_t begin = std::clock();
    const xades::SignatureWriter writer(parameters);  // as once a second
    for (std::size_t i = 0; i < count; ++i) assemble(writer, i, digests[i]);
    times.push_back(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC * 1e6 / count);
  }
  const auto [least, most] = std::ranges::minmax(times);
  note("  from " + std::to_string(least) + " to " + std::to_string(most) + " us, " + std::to_string(bytes / (count * rounds)) +
       " bytes each");
  return median(times);
}

// Batches without and with a time stamp for each signature, by turns. The median of the rounds' ratios.
double stamped_against_plain(const AgentUnderTest& agent, const std::string& certificate, std::size_t count, unsigned rounds) {
  note("RSA-2048, " + std::to_string(count) + " signatures a round, B-B and B-T");
  std::vector<double> ratios;
  const auto rate = [&](xades::Level level) {
    const auto run = bench::run_batch(agent.port(), AgentUnderTest::origin, certificate, count, level);
    if (run.without_time_stamp != 0) throw std::runtime_error("a time stamp is missing");
    return static_cast<double>(run.results) / run.time.count();
  };
  double before = rate(xades::Level::b_b);
  for (unsigned round = 0; round < rounds; ++round) {
    const auto agent_before = agent.cpu(), tsa_before = agent.tsa_cpu();
    const double stamped = rate(xades::Level::b_t);
    const auto agent_cpu = agent.cpu() - agent_before, tsa_cpu = agent.tsa_cpu() - tsa_before;
    const double after = rate(xades::Level::b_b);
    ratios.push_back(stamped / ((before + after) / 2));
    const double each = 1e6 / static_cast<double>(count);
    char line[200];
    std::snprintf(line, sizeof line,
                  "  round %u: B-B %.0f/s, B-T %.0f/s, B-B %.0f/s: %.3f; CPU of a B-T: %.0f us the agent's, %.0f us the TSA's",
                  round + 1, before, stamped, after, ratios.back(), agent_cpu.count() * each, tsa_cpu.count() * each);
    note(line);
    before = after;
  }
  return median(ratios);
}

// The TSA stands for another machine: with a P-256 key it takes an eighth of what it would take of this one with RSA-2048.
void write_small_tsa(const std::filesystem::path& pki) {
  demo::Authority authority(demo::read_identity(pki / "demo-ca.pem", pki / "demo-ca.key"), now());
  const demo::Identity tsa = authority.issue(
      {.common_name = "Bench TSA", .key_type = pki::KeyType::ec_p256, .usage = demo::Subject::Usage::time_stamping});
  std::ofstream(pki / "tsa.pem") << demo::pem(tsa.certificate);
  std::ofstream(pki / "tsa.key") << demo::private_key_pem(tsa.key);
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
  const demo::Identity always = demo::Authority("Bench CA", now()).issue({.common_name = "Always"});
  token.import(base::Bytes{++id}, "always", always.key.get(), always.certificate.der(), demo::Authentication::always);
  const AgentUnderTest agent({.programs = options.programs,
                              .demo = options.demo,
                              .folder = folder.path / "agent",
                              .module = demo::SoftHsm::module,
                              .pin = demo::SoftHsm::default_pin,
                              .pki = {},
                              .tsa_delay_ms = 0});
  if (options.wants("memory")) {
    note("idle agent and host");
    figures.push_back(
        {"pss_idle_mb", static_cast<double>(agent.pss_kib()) / 1024, 25, false, "idle agent and one token host, PSS"});
  }
  const Load rsa{
      .name = "RSA-2048", .cka_id = {1}, .certificate = agent.certificate("Ana"), .raw_count = 250, .batch_count = 500};
  const Load ec{
      .name = "P-256", .cka_id = {2}, .certificate = agent.certificate("Ion"), .raw_count = 10'000, .batch_count = 20'000};
  const Load aa{.name = "RSA-2048, always-authenticate",
                .cka_id = {3},
                .certificate = agent.certificate("Always"),
                .raw_count = 500,
                .batch_count = 1'000,
                .always_authenticate = true};
  if (options.wants("batch")) {
    figures.push_back({"batch_rsa2048_vs_raw", against_raw(agent, rsa, options.rounds), 0.95, true,
                       "WebSocket to XAdES-B-B against C_Sign, RSA-2048"});
    figures.push_back({"batch_p256_vs_raw", against_raw(agent, ec, options.rounds), 0.85, true,
                       "WebSocket to XAdES-B-B against C_Sign, P-256"});
  }
  if (options.wants("always"))
    figures.push_back({"aa_vs_raw", against_raw(agent, aa, options.rounds), 0.95, true,
                       "1000 always-authenticate signatures, one PIN entry, against the same loop of context logins"});
  if (options.wants("stamped")) {
    write_small_tsa(folder.path / "pki");
    const AgentUnderTest stamping({.programs = options.programs,
                                   .demo = options.demo,
                                   .folder = folder.path / "stamping",
                                   .module = demo::SoftHsm::module,
                                   .pin = demo::SoftHsm::default_pin,
                                   .pki = folder.path / "pki",
                                   .tsa_delay_ms = 20});
    figures.push_back({"bt_vs_bb", stamped_against_plain(stamping, stamping.certificate("Ana"), 4'000, options.rounds), 0.90,
                       true, "B-T with a TSA 20 ms away against B-B, SoftHSM RSA-2048"});
  }
  if (options.wants("memory")) {
    note("a batch of 100000");
    const long before = agent.rss_kib();
    long most = before;
    bench::run_batch(agent.port(), AgentUnderTest::origin, ec.certificate, 100'000, xades::Level::b_b,
                     [&] { most = std::max(most, agent.rss_kib()); });
    figures.push_back({"rss_growth_100k_mb", static_cast<double>(most - before) / 1024, 40, false,
                       "growth of the agent's RSS in a batch of 100 000"});
  }
  if (options.wants("killed")) {
    note("killed hosts");
    figures.push_back(bench::killed_until_ready(agent, demo::SoftHsm::module, "killed_ready_vs_raw", options.rounds));
  }
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
  if (options.wants("batch")) {
    const std::string certificate = agent.certificate("Card Bench");
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
  bench::tell_card("delay 0");
  if (options.wants("killed")) {
    note("killed hosts");
    figures.push_back(bench::killed_until_ready(agent, options.card_module, "card_killed_ready_vs_raw", options.rounds));
  }
  if (options.wants("plugged")) {
    note("plugging");
    figures.push_back(bench::inserted_until_event(agent, options.card_module));
  }
  if (options.wants("wear")) {
    note("wear of plugging");
    std::ranges::move(bench::wear_of_plugging(agent), std::back_inserter(figures));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Measures Signet against the token's own speed. Run by scripts/bench."};
  app.add_option("--programs", options.programs)->required();
  app.add_option("--demo", options.demo)->required();
  app.add_option("--judges", options.judges, "What tests/conformance/build_judges.sh filled: measure DSS too");
  app.add_option("--rounds", options.rounds)->capture_default_str();
  app.add_option("--card-module", options.card_module, "Measure the card behind this module instead");
  app.add_flag("--json", options.json);
  app.add_option("--only", options.only,
                 "Some parts alone: batch, always, stamped, memory, killed, assembly, verify, big; plugged, wear");
  // What RawToken starts: as little as possible before its module is loaded.
  if (argc == 3 && std::string_view(argv[1]) == "--raw-token") return bench::watch_token_by_hand(argv[2]);
  CLI11_PARSE(app, argc, argv);
  std::vector<Figure> figures;
  try {
    if (!options.card_module.empty()) {
      on_card(options, figures);
    } else {
      if (options.wants_token()) on_softhsm(options, figures);
      if (options.wants("assembly")) {
        note("assembly");
        figures.push_back({"assembly_cpu_us", assembly_cpu_us(), 5, false, "one B-B without the token, CPU microseconds"});
      }
      if (options.wants("verify"))
        std::ranges::move(bench::verifying(options.rounds, options.judges), std::back_inserter(figures));
      if (options.wants("big")) figures.push_back(bench::big_xml(options.rounds));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
  bench::print(figures, options.json);
  return 0;
}
