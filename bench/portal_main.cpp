#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "demo/files.hpp"
#include "figures.hpp"
#include "load.hpp"
#include "portal/store.hpp"
#include "portal/verification.hpp"
#include "portal_under_test.hpp"
#include "raw_sqlite.hpp"
#include "tls_echo.hpp"

using namespace signet;
using namespace signet::bench;

namespace {

struct Options {
  std::filesystem::path programs, self;
  bool json = false;
  std::set<std::string> only;
  unsigned rounds = 11, round_ms = 1'000;
  std::size_t connections = 64;
  std::size_t stored = 1'000'000, requests = 100'000;
  std::chrono::milliseconds round() const { return std::chrono::milliseconds(round_ms); }
};

Load::Message always(const std::string& message) {
  return [message](std::size_t) -> std::string_view { return message; };
}

std::string answer_to(const LoadOptions& load, const std::string& message) {
  std::string kept;
  Load(load).run(always(message), std::chrono::minutes{1}, 1, [&](std::size_t, std::string_view answer) { kept = answer; });
  return kept;
}

// What is measured in turn, and its rates.
struct Contender {
  std::string name;
  std::function<double()> rate;
  std::vector<double> rates = {};
};

// A round of each to warm up, which does not count, then all in turn. The medians, in the order given.
std::vector<double> by_turns(const std::string& what, unsigned rounds, std::vector<Contender> contenders) {
  for (Contender& contender : contenders) contender.rate();
  for (unsigned round = 0; round < rounds; ++round)
    for (Contender& contender : contenders) contender.rates.push_back(contender.rate());
  std::vector<double> medians;
  for (const Contender& contender : contenders) {
    const auto [least, most] = std::ranges::minmax(contender.rates);
    medians.push_back(median(contender.rates));
    char line[160];
    std::snprintf(line, sizeof line, "  %-18s %-26s %8.0f/s (%.0f to %.0f)", what.c_str(), contender.name.c_str(), medians.back(),
                  least, most);
    note(line);
  }
  return medians;
}

class Echo {
 public:
  Echo(const Options& options, const PortalUnderTest& portal)
      : output_(portal.folder() / "echo.port"),
        process_({options.self.string(), "--echo", portal.server_certificate().string(), portal.server_key().string()}, output_) {
    wait_for("the echo", [&] { return text_of(output_).ends_with('\n'); });
    LoadOptions callers = portal.callers(options.connections);
    callers.port = static_cast<std::uint16_t>(std::stoul(text_of(output_)));
    load_ = std::make_unique<Load>(callers);
  }
  // Of messages and answers as long as these.
  double rate(std::size_t message, std::size_t answer, std::chrono::milliseconds time) {
    std::string bytes(message, 'm');
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[i] = static_cast<char>(message >> (24 - 8 * i));
      bytes[i + 4] = static_cast<char>(answer >> (24 - 8 * i));
    }
    return load_->run(always(bytes), time, SIZE_MAX, {}, true).rate();
  }

 private:
  std::filesystem::path output_;
  Process process_;
  std::unique_ptr<Load> load_;
};

double raw_rate(RawPosts& raw, std::size_t group, std::chrono::milliseconds time) {
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::duration<double> taken{};
  std::size_t done = 0;
  for (; taken < time; taken = std::chrono::steady_clock::now() - begin, done += group) raw.commit(group);
  return static_cast<double>(done) / taken.count();
}

// PostSignRequest against the slower of two floors, GetSignResponse against one: TLS with messages as long, and SQLite that
// commits the same rows, as many requests at once as there are callers.
void calls(const Options& options, std::vector<Figure>& figures) {
  const Folder folder;
  const PortalUnderTest portal(options.programs, folder.path / "portal");
  Echo echo(options, portal);
  Load callers(portal.callers(options.connections));
  const auto portal_rate = [&](const std::string& message) { return callers.run(always(message), options.round()).rate(); };
  const auto floor_of = [&](const std::string& message) {
    const std::size_t answer = answer_to(portal.callers(1), message).size();
    note("  a message of " + std::to_string(message.size()) + " bytes, an answer of " + std::to_string(answer));
    return [&echo, &options, size = message.size(), answer] { return echo.rate(size, answer, options.round()); };
  };
  for (const std::size_t contents : {1u, 10u}) {
    const std::string size = contents == 1 ? "" : "_" + std::to_string(contents);
    const std::string message = post_message(contents);
    std::filesystem::copy(portal.database_file(), folder.path / ("raw" + size + ".db"));
    RawPosts raw(folder.path / ("raw" + size + ".db"), contents);
    const auto post = by_turns("post" + size, options.rounds,
                               {{"TLS echo", floor_of(message)},
                                {"raw SQLite", [&] { return raw_rate(raw, options.connections, options.round()); }},
                                {"PostSignRequest", [&] { return portal_rate(message); }}});
    figures.push_back({"post" + size + "_vs_floor", post[2] / std::min(post[0], post[1]), 0.5, true,
                       "PostSignRequest of " + std::to_string(contents) + " against the slower of TLS echo and raw SQLite"});
    const std::string get_message_text = get_message(portal.signed_request(contents));
    const auto get =
        by_turns("get" + size, options.rounds,
                 {{"TLS echo", floor_of(get_message_text)}, {"GetSignResponse", [&] { return portal_rate(get_message_text); }}});
    figures.push_back({"get" + size + "_vs_floor", get[1] / get[0], 0.5, true,
                       "GetSignResponse with " + std::to_string(contents) + " signed against the TLS echo"});
  }
  std::string pending;
  const std::string posted = answer_to(portal.callers(1), post_message(1));
  pending = get_message(element(posted, "PostSignRequestResult"));
  const auto get = by_turns("get_pending", options.rounds,
                            {{"TLS echo", floor_of(pending)}, {"GetSignResponse", [&] { return portal_rate(pending); }}});
  figures.push_back(
      {"get_pending_vs_floor", get[1] / get[0], 0.5, true, "GetSignResponse of a pending request against the TLS echo"});
}

// VerifySignatures, and the function behind it called by as many threads as the portal has for it.
void verification(const Options& options, std::vector<Figure>& figures) {
  constexpr std::size_t threads = 2;
  const Folder folder;
  const PortalUnderTest portal(options.programs, folder.path / "portal");
  const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  demo::Authority authority(demo::read_identity(portal.sandbox() / "sandbox-ca.pem", portal.sandbox() / "sandbox-ca.key"), now);
  pki::TrustMaterial trust;
  trust.anchors.push_back(authority.root().certificate);
  trust.crls.push_back(authority.crl());
  const std::string answer = answer_to(portal.callers(1), get_message(portal.signed_request(1)));
  const portal::VerificationContent content{
      .content = posted_digest(0), .correlation_id = "c0", .signature = base::from_base64(element(answer, "Signature")).value()};
  const auto in_process = [&] {
    const auto begin = std::chrono::steady_clock::now();
    std::atomic<std::size_t> done = 0;
    std::vector<std::jthread> running;
    for (std::size_t i = 0; i < threads; ++i)
      running.emplace_back([&] {
        for (; std::chrono::steady_clock::now() - begin < options.round(); ++done)
          if (!portal::verify_content(content, trust, now, portal::Language::ro).signatures_valid) std::abort();
      });
    running.clear();
    return static_cast<double>(done) / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const std::string message = verify_message(*content.content, content.signature);
  if (answer_to(portal.callers(1), message).find("<SignaturesValid>true<") == std::string::npos)
    throw std::runtime_error("the portal does not find its own signature valid");
  Load callers(portal.callers(options.connections));
  const auto rates = by_turns(
      "verify", options.rounds,
      {{"in process", in_process}, {"VerifySignatures", [&] { return callers.run(always(message), options.round()).rate(); }}});
  figures.push_back(
      {"verify_vs_inprocess", rates[1] / rates[0], 0.5, true, "VerifySignatures of 1 against the verifier in process"});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::filesystem::path> echo;
  CLI::App app{"Measures signet-portal against the floors beneath it. Run by scripts/bench."};
  app.add_option("--programs", options.programs, "The folder of signet-portal");
  app.add_option("--only", options.only, "calls, verification, million, memory; all unless named");
  app.add_option("--rounds", options.rounds)->capture_default_str();
  app.add_option("--round-ms", options.round_ms)->capture_default_str();
  app.add_option("--connections", options.connections, "Callers, each with one call under way")->capture_default_str();
  app.add_option("--stored", options.stored)->capture_default_str();
  app.add_option("--requests", options.requests)->capture_default_str();
  app.add_option("--echo", echo, "Be the TLS echo, with this certificate and key")->expected(2);
  app.add_flag("--json", options.json);
  CLI11_PARSE(app, argc, argv);
  std::vector<Figure> figures;
  try {
    if (!echo.empty()) return serve_tls_echo(echo[0], echo[1]);
    options.self = std::filesystem::read_symlink("/proc/self/exe");
    const auto wanted = [&](const char* part) { return options.only.empty() || options.only.contains(part); };
    if (wanted("calls")) calls(options, figures);
    if (wanted("verification")) verification(options, figures);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
  print(figures, options.json);
  return 0;
}
