#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>
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
  bool json = false, postgresql = false;
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

// What is measured in turn. The process whose CPU time is told beside the rate, where there is one.
struct Contender {
  std::string name;
  std::function<LoadRun()> run;
  const Process* process = nullptr;
  std::vector<double> rates = {};
  std::size_t answers = 0;
  std::chrono::duration<double> cpu{};
};

void take_turn(Contender& contender) {
  const auto before = contender.process != nullptr ? contender.process->cpu() : std::chrono::duration<double>{};
  const LoadRun run = contender.run();
  if (contender.process != nullptr) contender.cpu += contender.process->cpu() - before;
  contender.answers += run.answers;
  contender.rates.push_back(run.rate());
}

// A round of each to warm up, which does not count, then all in turn. The medians, in the order given.
std::vector<double> by_turns(const std::string& what, unsigned rounds, std::vector<Contender> contenders) {
  for (Contender& contender : contenders) contender.run();
  for (unsigned round = 0; round < rounds; ++round) std::ranges::for_each(contenders, take_turn);
  std::vector<double> medians;
  for (const Contender& contender : contenders) {
    const auto [least, most] = std::ranges::minmax(contender.rates);
    medians.push_back(median(contender.rates));
    char line[160];
    std::snprintf(line, sizeof line, "  %-12s %-18s %8.0f/s (%.0f to %.0f)", what.c_str(), contender.name.c_str(), medians.back(),
                  least, most);
    std::string text = line;
    if (contender.process != nullptr)
      text += ", its CPU " + std::to_string(std::lround(contender.cpu.count() * 1e6 / static_cast<double>(contender.answers))) +
              " us each";
    note(text);
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
  LoadRun run(std::size_t message, std::size_t answer, std::chrono::milliseconds time) {
    std::string bytes(message, 'm');
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[i] = static_cast<char>(message >> (24 - 8 * i));
      bytes[i + 4] = static_cast<char>(answer >> (24 - 8 * i));
    }
    return load_->run(always(bytes), time, SIZE_MAX, {}, true);
  }
  const Process& process() const { return process_; }

 private:
  std::filesystem::path output_;
  Process process_;
  std::unique_ptr<Load> load_;
};

LoadRun raw_posts(RawPosts& raw, std::size_t group, std::chrono::milliseconds time) {
  const auto begin = std::chrono::steady_clock::now();
  LoadRun run;
  for (; run.time < time; run.time = std::chrono::steady_clock::now() - begin, run.answers += group) raw.commit(group);
  return run;
}

// The portal with its callers, and the echo with as many.
class Calls {
 public:
  explicit Calls(const Options& options)
      : options_(options),
        portal_(options.programs, folder_.path / "portal"),
        echo_(options, portal_),
        callers_(portal_.callers(options.connections)) {}

  Contender portal(const std::string& name, const std::string& message) {
    return {name, [this, message] { return callers_.run(always(message), options_.round()); }, &portal_.process()};
  }
  // Each message with a number of its own in it: none is known from those before.
  Contender portal_anew(const std::string& name, const std::string& message) {
    auto numbered = std::make_shared<std::vector<std::string>>();
    for (int i = 100'000; i < 110'000; ++i) {
      std::string one = message;
      one.replace(one.find("<s:Body>"), 0, "<s:Header><N xmlns=\"urn:n\">" + std::to_string(i) + "</N></s:Header>");
      const std::string length = "Content-Length: ";
      const auto at = one.find(length) + length.size(), end = one.find("\r\n", at);
      one.replace(at, end - at, std::to_string(one.size() - one.find("\r\n\r\n") - 4));
      numbered->push_back(std::move(one));
    }
    return {name,
            [this, numbered] {
              return callers_.run([&](std::size_t i) -> std::string_view { return (*numbered)[i % numbered->size()]; },
                                  options_.round());
            },
            &portal_.process()};
  }
  // Of messages as long as this one and its answer.
  Contender echo(const std::string& message) {
    const std::size_t answer = answer_to(portal_.callers(1), message).size();
    note("  messages of " + std::to_string(message.size()) + " bytes, answers of " + std::to_string(answer));
    return {"TLS echo", [this, size = message.size(), answer] { return echo_.run(size, answer, options_.round()); },
            &echo_.process()};
  }

  // PostSignRequest against the slower of two floors: the echo, and SQLite that commits the same rows, as many requests at once
  // as there are callers.
  Figure post(std::size_t contents, const std::string& name) {
    const auto file = folder_.path / (name + ".db");
    std::filesystem::copy(portal_.database_file(), file);
    RawPosts raw(file, contents);
    const std::string message = post_message(contents);
    const auto rates = by_turns("post of " + std::to_string(contents), options_.rounds,
                                {echo(message),
                                 {"raw SQLite", [&] { return raw_posts(raw, options_.connections, options_.round()); }},
                                 portal("PostSignRequest", message)});
    return {name, rates[2] / std::min(rates[0], rates[1]), 0.5, true,
            "PostSignRequest of " + std::to_string(contents) + " against the slower of TLS echo and raw SQLite"};
  }
  Figure get(std::size_t contents, const std::string& name, bool anew = false) {
    const std::string posted = contents == 0 ? element(answer_to(portal_.callers(1), post_message(1)), "PostSignRequestResult")
                                             : portal_.signed_request(contents);
    const std::string message = get_message(posted);
    const std::string what = contents == 0 ? "pending" : "with " + std::to_string(contents);
    const auto rates =
        by_turns("get " + what, options_.rounds,
                 {echo(message), anew ? portal_anew("GetSignResponse", message) : portal("GetSignResponse", message)});
    return {name, rates[1] / rates[0], 0.5, true,
            "GetSignResponse " + what + (anew ? ", each message otherwise," : "") + " against the TLS echo"};
  }

 private:
  const Options& options_;
  Folder folder_;
  PortalUnderTest portal_;
  Echo echo_;
  Load callers_;
};

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
    return LoadRun{done, std::chrono::steady_clock::now() - begin};
  };
  const std::string message = verify_message(*content.content, content.signature);
  if (answer_to(portal.callers(1), message).find("<SignaturesValid>true<") == std::string::npos)
    throw std::runtime_error("the portal does not find its own signature valid");
  Load callers(portal.callers(options.connections));
  const auto rates =
      by_turns("verify", options.rounds,
               {{"in process", in_process},
                {"VerifySignatures", [&] { return callers.run(always(message), options.round()); }, &portal.process()}});
  figures.push_back(
      {"verify_vs_inprocess", rates[1] / rates[0], 0.5, true, "VerifySignatures of 1 against the verifier in process"});
}

// A database with stored requests, as SQL reaches it: SQLite's library, or psql with the environment's server.
struct Seeded {
  std::string database;  // StoreOptions::database
  std::function<void(const std::string& sql)> run;
  std::function<std::vector<std::string>(const std::string& sql)> texts;
  bool postgresql = false;
};

std::vector<std::string> psql(const std::string& schema, const std::string& sql) {
  const std::string command = "PGOPTIONS='-c search_path=" + schema + "' psql -qAt -v ON_ERROR_STOP=1 -c \"" + sql + "\"";
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("psql");
  std::vector<std::string> lines;
  char line[256];
  while (std::fgets(line, sizeof line, pipe) != nullptr) lines.emplace_back(line, std::strcspn(line, "\n"));
  if (::pclose(pipe) != 0) throw std::runtime_error("psql: " + sql);
  return lines;
}

Seeded seeded(const Options& options, const std::filesystem::path& folder, const std::string& name) {
  Seeded made;
  made.postgresql = options.postgresql;
  if (options.postgresql) {
    const std::string schema = "bench_" + name;  // "full" alone is a word of SQL
    psql("public", "CREATE SCHEMA " + schema);
    made.database = "postgresql:options='-c search_path=" + schema + "'";
    made.run = [schema](const std::string& sql) { psql(schema, sql); };
    made.texts = [schema](const std::string& sql) { return psql(schema, sql); };
  } else {
    const auto file = folder / (name + ".db");
    made.database = "sqlite:" + file.string();
    made.run = [file](const std::string& sql) { RawSqlite(file).run(sql); };
    made.texts = [file](const std::string& sql) { return RawSqlite(file).texts(sql); };
  }
  return made;
}

// Of ten requests one is pending and nine are signed, over six days. Written in the order of their ids, which is quick.
void seed(const Seeded& store, std::size_t requests) {
  const std::string id = store.postgresql ? "md5(random()::text || i)" : "lower(hex(randomblob(16)))";
  const std::string now = std::to_string(std::time(nullptr));
  const std::string posted = now + " - (i * 7919) % 500000";
  store.run("CREATE TABLE seeded AS WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(requests) + ") SELECT " + id + " AS id, i FROM n");
  store.run(
      "INSERT INTO requests (id, consumer_id, short_description, description, delegator_type, contents, results, status, "
      "reason, instrument, claim_key, claim_until, contents_deleted, posted_at, expires_at, ended_at) "
      "SELECT id, 'shop', 'Invoice', 'Invoice 2026-11 of the bench', 0, 1, CASE WHEN i % 10 = 0 THEN 0 ELSE 1 END, "
      "CASE WHEN i % 10 = 0 THEN 0 ELSE 1 END, '', 'sandbox', '', 0, 0, " +
      posted + ", CASE WHEN i % 10 = 0 THEN " + now + " + 36000 ELSE " + posted +
      " + 3600 END, CASE WHEN i % 10 = 0 THEN NULL ELSE " + posted + " END FROM seeded ORDER BY id");
  store.run(
      "INSERT INTO contents (request_id, number, digest, correlation_id, name) SELECT id, 0, 'sha256:' || id || id, 'c0', "
      "'invoice.pdf' FROM seeded ORDER BY id");
  store.run(
      "INSERT INTO results (request_id, number, signature, certificate) SELECT id, 0, '<Signature>' || id || '</Signature>', "
      "'MAA=' FROM seeded WHERE i % 10 <> 0 ORDER BY id");
  store.run("DROP TABLE seeded");
  if (store.postgresql) store.run("ANALYZE");
}

template <class Call>
auto done(boost::asio::io_context& io, Call&& call) {
  auto answer = boost::asio::co_spawn(io, std::forward<Call>(call), boost::asio::use_future);
  io.restart();
  io.run();
  auto result = answer.get();
  if (!result) throw std::runtime_error(result.error().detail);
  return *result;
}

// A portal on a store that was seeded, and what is asked of it.
class Stored {
 public:
  Stored(const Options& options, const std::filesystem::path& folder, const std::string& name, std::size_t requests)
      : name_(name),
        store_(seeded(options, folder, name)),
        portal_(options.programs, folder / name, store_.database),
        time_(options.round()) {
    const auto begin = std::chrono::steady_clock::now();
    seed(store_, requests);
    note("  " + name + ": " + std::to_string(requests) + " requests in " +
         std::to_string(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()) + " s");
    for (const std::string& id : store_.texts("SELECT id FROM requests ORDER BY substr(id, 9) LIMIT 20000")) {
      gets_.push_back(get_message(id));
      opens_.push_back(open_page_message(id));
    }
    auto opened = portal::Store::open({.database = store_.database});
    if (!opened) throw std::runtime_error(opened.error().detail);
    in_process_ = std::move(*opened);
  }
  // Not before all are seeded: the portal ends connections that stay silent.
  void connect(std::size_t connections) {
    callers_ = std::make_unique<Load>(portal_.callers(connections));
    browsers_ = std::make_unique<Load>(portal_.browsers(connections));
  }
  Contender get() {
    return {name_ + ", get", [this] { return callers_->run(each_of(gets_), time_); }, &portal_.process()};
  }
  Contender open() {
    return {name_ + ", page", [this] { return browsers_->run(each_of(opens_), time_); }, &portal_.process()};
  }
  // What the portal does each minute and each second.
  Contender upkeep() {
    return {name_ + ", upkeep", [this] {
              const auto begin = std::chrono::steady_clock::now();
              const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
              LoadRun run;
              for (; run.time < time_; ++run.answers, run.time = std::chrono::steady_clock::now() - begin) {
                if (done(io_, in_process_->sweep(now, now - std::chrono::days{7})).expired > 0) throw std::runtime_error("swept");
                done(io_, in_process_->consumers_version());
              }
              return run;
            }};
  }

 private:
  Load::Message each_of(const std::vector<std::string>& messages) {
    return [this, &messages](std::size_t) -> std::string_view { return messages[next_++ % messages.size()]; };
  }

  std::string name_;
  Seeded store_;
  PortalUnderTest portal_;
  std::chrono::milliseconds time_;
  std::vector<std::string> gets_, opens_;
  std::size_t next_ = 0;
  std::unique_ptr<Load> callers_, browsers_;
  boost::asio::io_context io_;
  std::unique_ptr<portal::Store> in_process_;
};

void million(const Options& options, std::vector<Figure>& figures) {
  constexpr std::size_t few = 100;
  const Folder folder;
  Stored empty(options, folder.path, "empty", few), full(options, folder.path, "full", options.stored);
  for (Stored* const store : {&empty, &full}) store->connect(options.connections);
  const std::string stored = std::to_string(options.stored) + " stored requests" + (options.postgresql ? ", PostgreSQL" : "");
  const std::string prefix = options.postgresql ? "million_pg_" : "million_";
  const auto slower = [&](const std::string& what, Contender without, Contender with) {
    const auto rates = by_turns("stored", options.rounds, {std::move(without), std::move(with)});
    figures.push_back({prefix + what, rates[0] / rates[1], 1.5, false, "times as long with " + stored + ": " + what});
  };
  slower("get", empty.get(), full.get());
  slower("page", empty.open(), full.open());
  slower("upkeep", empty.upkeep(), full.upkeep());
}

// Each request is posted, asked for and opened as a page; of each thousand one is signed. From a
// fifth of them on only what SQLite keeps of its pages grows, 2 MiB a connection at most.
void memory(const Options& options, std::vector<Figure>& figures) {
  constexpr std::size_t at_once = 1'000;
  const Folder folder;
  const PortalUnderTest portal(options.programs, folder.path / "portal");
  Load callers(portal.callers(options.connections)), browsers(portal.browsers(options.connections));
  const std::string message = post_message(1);
  long warm = 0;
  for (std::size_t posted = 0; posted < options.requests; posted += at_once) {
    std::vector<std::string> gets, opens;
    callers.run(always(message), std::chrono::minutes{1}, at_once, [&](std::size_t, std::string_view answer) {
      const std::string id = element(answer, "PostSignRequestResult");
      gets.push_back(get_message(id));
      opens.push_back(open_page_message(id));
    });
    callers.run([&](std::size_t i) -> std::string_view { return gets[i]; }, std::chrono::minutes{1}, gets.size());
    browsers.run([&](std::size_t i) -> std::string_view { return opens[i]; }, std::chrono::minutes{1}, opens.size());
    portal.signed_request(1);
    if (posted < options.requests / 5) warm = portal.process().rss_kib();
    if ((posted / at_once) % 10 == 9)
      note("  " + std::to_string(posted + at_once) + " requests: " + std::to_string(portal.process().rss_kib()) + " KiB");
  }
  figures.push_back(
      {"portal_rss_growth_mb", static_cast<double>(portal.process().rss_kib() - warm) / 1024, 8, false,
       "growth of RSS from " + std::to_string(options.requests / 5) + " to " + std::to_string(options.requests) + " requests"});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::filesystem::path> echo;
  CLI::App app{"Measures signet-portal against the floors beneath it. Run by scripts/bench."};
  app.add_option("--programs", options.programs, "The folder of signet-portal");
  app.add_option("--only", options.only, "post, get, verification, million, memory; all unless named");
  app.add_option("--rounds", options.rounds)->capture_default_str();
  app.add_option("--round-ms", options.round_ms)->capture_default_str();
  app.add_option("--connections", options.connections, "Callers, each with one call under way")->capture_default_str();
  app.add_option("--stored", options.stored)->capture_default_str();
  app.add_option("--requests", options.requests)->capture_default_str();
  app.add_option("--echo", echo, "Be the TLS echo, with this certificate and key")->expected(2);
  app.add_flag("--postgresql", options.postgresql, "million: on the server of the environment (PGHOST and so on)");
  app.add_flag("--json", options.json);
  CLI11_PARSE(app, argc, argv);
  std::vector<Figure> figures;
  try {
    if (!echo.empty()) return serve_tls_echo(echo[0], echo[1]);
    std::signal(SIGPIPE, SIG_IGN);  // a connection that ended is told by what is written to it
    options.self = std::filesystem::read_symlink("/proc/self/exe");
    const auto wanted = [&](const char* part) { return options.only.empty() || options.only.contains(part); };
    if (wanted("post") || wanted("get")) {
      Calls calls(options);
      if (wanted("post")) figures.push_back(calls.post(1, "post_vs_floor"));
      if (wanted("post")) figures.push_back(calls.post(10, "post_10_vs_floor"));
      if (wanted("get")) figures.push_back(calls.get(1, "get_vs_floor"));
      if (wanted("get")) figures.push_back(calls.get(1, "get_anew_vs_floor", true));
      if (wanted("get")) figures.push_back(calls.get(10, "get_10_vs_floor"));
      if (wanted("get")) figures.push_back(calls.get(0, "get_pending_vs_floor"));
    }
    if (wanted("verification")) verification(options, figures);
    if (wanted("million")) million(options, figures);
    if (wanted("memory")) memory(options, figures);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
  print(figures, options.json);
  return 0;
}
