#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <iostream>
#include <set>

#include "agent/command/command.hpp"
#include "agent/messages.hpp"
#include "base/digest.hpp"
#include "base/owned.hpp"
#include "base/text.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::tr;

namespace json = boost::json;
using base::ErrorCode;

namespace {

struct Options {
  std::string certificate, level = "b", packaging = "detached", out = ".", digest_list, name, purpose;
  std::vector<std::string> files, digests;
  bool together = false, pss = false, pin_stdin = false;
};

struct Item {
  std::string name;
  base::Digest digest;
  std::filesystem::path folder;  // where the signature goes
};

constexpr std::size_t items_per_part = 2'000;
std::atomic<bool> interrupted{false};

base::Result<base::Digest> digest_of_file(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const auto failed = [&] { return std::unexpected(file_error(file.string(), errno)); };
  if (descriptor < 0) return failed();
  const base::Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
  EVP_DigestInit_ex2(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1u << 20);
  ssize_t size = 0;
  while ((size = ::read(descriptor, buffer.data(), buffer.size())) > 0)
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(size));
  const auto error = size < 0 ? base::Result<base::Digest>(failed()) : base::Result<base::Digest>(base::Digest{});
  ::close(descriptor);
  if (!error) return error;
  std::array<std::uint8_t, 32> value{};
  EVP_DigestFinal_ex(context.get(), value.data(), nullptr);
  return base::Digest::of_value(base::DigestAlgorithm::sha256, value);
}

// A name becomes a file's name: it must not lead out of the folder.
base::Result<void> fit_for_file_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.size() > 240 ||
      !base::is_utf8(name))
    return base::failure(ErrorCode::parameter_invalid, "the name \"" + base::shown(name, 60) + "\" cannot be a file's name");
  return {};
}

base::Result<std::vector<Item>> collect(const Options& options) {
  std::vector<Item> items;
  for (const std::string& digest : options.digests) {
    auto value = base::parse_digest(digest);
    if (!value) return base::failure_of(value);
    const bool single = options.digests.size() == 1 && !options.name.empty();
    items.push_back({single ? options.name : base::hex(value->bytes()).substr(0, 16), *value, options.out});
  }
  if (!options.digest_list.empty()) {
    std::ifstream list(options.digest_list);
    if (!list) return std::unexpected(file_error(options.digest_list, errno));
    std::size_t number = 0;
    for (std::string line; std::getline(list, line);) {
      ++number;
      if (line.empty()) continue;
      const std::size_t space = line.find(' ');
      auto value = base::parse_digest(line.substr(0, space));
      if (!value || space == std::string::npos)
        return base::failure(value ? ErrorCode::parameter_invalid : value.error().code,
                             options.digest_list + ", line " + std::to_string(number) + ": ALG:HEX name is wanted");
      items.push_back({line.substr(space + 1), *value, options.out});
    }
  }
  for (const std::string& file : options.files) {
    auto value = digest_of_file(file);
    if (!value) return base::failure_of(value);
    items.push_back({std::filesystem::path(file).filename().string(), *value, options.out});
  }
  std::set<std::string> names;
  for (const Item& item : items) {
    if (auto fit = fit_for_file_name(item.name); !fit) return base::failure_of(fit);
    if (!names.insert(item.name).second)
      return base::failure(ErrorCode::id_duplicate, "two signatures would be written to " + item.name + ".xades.xml");
  }
  if (items.empty()) return base::failure(ErrorCode::batch_empty, "name files, --digest or --digest-list");
  return items;
}

// The abbreviated ids that `signet certs` prints are accepted where only one certificate fits.
base::Result<std::string> whole_certificate_id(ControlClient& agent, const std::string& start) {
  auto listed = agent.call("certificates", {});
  if (!listed) return base::failure_of(listed);
  std::vector<std::pair<std::string, std::string>> known;
  for (const json::value& row : listed->at("certificates").as_array()) {
    const std::string id(row.at("id").as_string());
    if (id.starts_with(start)) known.emplace_back(id, std::string(row.at("subject").as_string()));
  }
  if (known.size() == 1) return known.front().first;
  if (known.empty()) return base::failure(ErrorCode::certificate_not_found, "see `signet certs`");
  if (!start.empty() || ::isatty(0) != 1 || ::isatty(2) != 1)
    return base::failure(ErrorCode::parameter_invalid, "`signet certs` lists them");
  std::cerr << tr("Several certificates can sign:") << '\n';
  for (std::size_t i = 0; i < known.size(); ++i) std::cerr << "  " << i + 1 << "  " << known[i].second << '\n';
  std::cerr << tr("Number: ");
  std::string line;
  std::getline(std::cin, line);
  const std::size_t number =
      line.size() < 4 && line.find_first_not_of("0123456789") == std::string::npos && !line.empty() ? std::stoul(line) : 0;
  if (number < 1 || number > known.size()) return base::failure(ErrorCode::user_cancelled, "no certificate was chosen");
  return known[number - 1].first;
}

struct Outcome {
  std::size_t total = 0, written = 0, failed = 0, without_time_stamp = 0;
  std::string state;
  std::optional<base::Error> error;
  std::optional<base::Error> time_stamp_error;
};

base::Error error_in(const json::object& object) {
  base::Error error;
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    if (name(static_cast<ErrorCode>(i)) == std::string_view(object.at("code").as_string()))
      error.code = static_cast<ErrorCode>(i);
  }
  if (const auto* message = object.if_contains("message"); message != nullptr && message->is_string())
    error.detail = message->get_string();
  return error;
}

class Signing {
 public:
  Signing(ControlClient& agent, const Options& options, const std::vector<Item>& items, bool quiet)
      : agent_(agent), options_(options), items_(items), quiet_(quiet) {}

  // Whatever the end was, nothing of it stays open: no dialog, no unfinished batch that counts.
  ~Signing() {
    agent_.on_event({});
    if (!batch_.empty()) (void)agent_.call("batch.close", {{"batch", batch_}});
  }
  Signing(const Signing&) = delete;  // closes its batch
  Signing& operator=(const Signing&) = delete;

  base::Result<Outcome> run(const std::string& certificate) {
    outcome_.total = options_.together ? 1 : items_.size();
    auto begun =
        agent_.call("batch.begin", {{"purpose", options_.purpose.empty() ? tr("Signing by the command line") : options_.purpose},
                                    {"level", options_.level},
                                    {"packaging", options_.packaging},
                                    {"certificate", certificate},
                                    {"together", options_.together},
                                    {"pss", options_.pss}});
    if (!begun) return base::failure_of(begun);
    batch_ = begun->at("batch").as_string();
    if (auto sent = send_items(); !sent) return base::failure_of(sent);
    agent_.on_event([this](std::string_view event, const json::object& params) { heard(event, params); });
    json::object commit{{"batch", batch_}, {"items", items_.size()}};
    if (options_.pin_stdin) commit["pin"] = "descriptor";
    if (auto committed = agent_.call("batch.commit", std::move(commit), options_.pin_stdin ? STDIN_FILENO : -1); !committed)
      return base::failure_of(committed);
    do {
      if (auto ended = until_finished(); !ended) return base::failure_of(ended);
      if (!quiet_) std::cerr << '\n';
    } while (paused_while_away() && person_is_back() && resumes());
    return outcome_;
  }

 private:
  base::Result<void> until_finished() {
    while (!finished()) {
      if (auto waited = agent_.wait_for_event(); !waited && waited.error().code != ErrorCode::user_cancelled)
        return base::failure_of(waited);
      if (interrupted.exchange(false)) (void)agent_.call("batch.cancel", {{"batch", batch_}});
      if (auto acknowledged = acknowledge(); !acknowledged) return base::failure_of(acknowledged);
      if (write_error_) return std::unexpected(*write_error_);
    }
    return {};
  }

  // A locked screen or the machine's sleep is no end for a person who comes back to this terminal.
  bool paused_while_away() const {
    return outcome_.state == "paused" && outcome_.error &&
           (outcome_.error->code == ErrorCode::screen_locked || outcome_.error->code == ErrorCode::machine_asleep);
  }

  bool person_is_back() const {
    if (quiet_ || ::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return false;
    std::cerr << message_for(outcome_.error->code) << '\n' << tr("Press Return to go on, Ctrl-C to end.") << std::flush;
    std::string line;
    return std::getline(std::cin, line) && !interrupted;
  }

  // True where it runs again, or nobody could be asked yet. What else it was that stopped it is the outcome's error.
  bool resumes() {
    const auto resumed = agent_.call("batch.resume", {{"batch", batch_}});
    if (!resumed) {
      outcome_.error = resumed.error();
      return paused_while_away();
    }
    // Not as the events before the answer: they still tell of the pause.
    outcome_.state = resumed->at("state").as_string();
    newest_result_ = resumed->at("results").to_number<std::uint64_t>();
    outcome_.error.reset();
    return true;
  }

  base::Result<void> send_items() {
    std::size_t part = 0;
    for (std::size_t at = 0; at < items_.size(); at += items_per_part) {
      json::array rows;
      for (std::size_t i = at; i < std::min(items_.size(), at + items_per_part); ++i) {
        rows.push_back(json::object{{"id", std::to_string(i)},
                                    {"name", items_[i].name},
                                    {"alg", name(items_[i].digest.algorithm())},
                                    {"digest", base::base64(items_[i].digest.bytes())}});
      }
      auto added = agent_.call("batch.items", {{"batch", batch_}, {"part", part++}, {"items", std::move(rows)}});
      if (!added) return base::failure_of(added);
    }
    return {};
  }

  void heard(std::string_view event, const json::object& params) {
    if (event == "batch.waiting" && !quiet_) {
      std::cerr << tr("Look for the window “Signet” and answer there.") << '\n';
    } else if (event == "batch.results") {
      for (const json::value& row : params.at("results").as_array()) take(row.as_object());
    } else if (event == "batch.progress") {
      outcome_.state = params.at("state").as_string();
      newest_result_ = params.at("results").to_number<std::uint64_t>();
      if (const auto* error = params.if_contains("error"); error != nullptr && error->is_object())
        outcome_.error = error_in(error->get_object());
      show_progress(params);
    }
  }

  void take(const json::object& row) {
    last_sequence_ = row.at("seq").to_number<std::uint64_t>();
    const std::size_t index = std::stoul(std::string(row.at("id").as_string()));
    if (row.contains("error")) {
      ++outcome_.failed;
      return;
    }
    if (const auto* error = row.if_contains("time_stamp_error"); error != nullptr && error->is_object()) {
      ++outcome_.without_time_stamp;
      outcome_.time_stamp_error = error_in(error->get_object());
    }
    const Item& item = items_.at(index);
    const std::filesystem::path file = item.folder / (item.name + ".xades.xml");
    if (auto written = write_file(file, std::string_view(row.at("signature").as_string())); !written) {
      if (!write_error_) write_error_ = written.error();
    } else {
      ++outcome_.written;
    }
  }

  // Only what is on the disk is acknowledged: the rest can be fetched again.
  base::Result<void> acknowledge() {
    if (write_error_ || last_sequence_ == acknowledged_) return {};
    auto done = agent_.call("batch.acknowledge", {{"batch", batch_}, {"through", last_sequence_}});
    // Ctrl-C while waiting for the answer: the batch is cancelled by the loop, its last results still come.
    if (!done && done.error().code == ErrorCode::user_cancelled) return {};
    if (!done) return base::failure_of(done);
    acknowledged_ = last_sequence_;
    return {};
  }

  bool finished() const {
    const bool over = outcome_.state == "complete" || outcome_.state == "cancelled" || outcome_.state == "paused";
    return over && last_sequence_ >= newest_result_;
  }

  void show_progress(const json::object& params) {
    if (quiet_ || ::isatty(2) != 1) return;
    constexpr std::size_t width = 30;
    const auto done = params.at("ready").to_number<std::size_t>();
    const auto total = std::max<std::size_t>(params.at("total").to_number<std::size_t>(), 1);
    const std::size_t filled_cells = std::min(width, done * width / total);
    std::cerr << "\r[" << std::string(filled_cells, '#') << std::string(width - filled_cells, '.') << "] " << done << '/'
              << total;
    if (const auto* remaining = params.if_contains("remaining_s"); remaining != nullptr && remaining->is_number())
      std::cerr << "  " << filled(tr("%1 s left"), {std::to_string(remaining->to_number<std::uint64_t>())});
    std::cerr << "   " << std::flush;
  }

  ControlClient& agent_;
  const Options& options_;
  const std::vector<Item>& items_;
  bool quiet_;
  std::string batch_;
  Outcome outcome_;
  std::uint64_t last_sequence_ = 0, acknowledged_ = 0, newest_result_ = 0;
  std::optional<base::Error> write_error_;
};

int sign(const Context& context, const Options& options) {
  auto items = collect(options);
  if (!items) return report(context, items.error());
  std::error_code created;
  std::filesystem::create_directories(options.out, created);
  auto agent = context.agent();
  if (!agent) return report(context, agent.error());
  auto certificate = whole_certificate_id(*agent, options.certificate);
  if (!certificate) {
    const bool several = certificate.error().code == ErrorCode::parameter_invalid;
    return report(context, certificate.error(), several ? tr("Several certificates fit: choose one with --cert.") : "");
  }
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = true; };
  ::sigaction(SIGINT, &action, nullptr);
  auto outcome = Signing(*agent, options, *items, context.json).run(*certificate);
  if (!outcome) return report(context, outcome.error());
  if (context.json) {
    json::object row{{"state", outcome->state},
                     {"total", outcome->total},
                     {"signed", outcome->written},
                     {"failed", outcome->failed},
                     {"without_time_stamp", outcome->without_time_stamp}};
    if (outcome->error) row["error"] = name(outcome->error->code);
    std::cout << json::serialize(row) << '\n';
  } else {
    std::cout << filled(tr("%1 of %2 signature was written to %3", "%1 of %2 signatures were written to %3", outcome->total),
                        {std::to_string(outcome->written), std::to_string(outcome->total), options.out})
              << '\n';
    if (outcome->without_time_stamp > 0)
      std::cerr << "signet: " << message_for(ErrorCode::time_stamp_failed) << " (" << outcome->without_time_stamp << "; "
                << outcome->time_stamp_error->detail << ")\n";
  }
  if (outcome->state == "complete" && outcome->failed == 0)
    return outcome->without_time_stamp > 0 ? exit_code_of({ErrorCode::time_stamp_failed, {}, 0, {}}) : 0;
  return report(context, outcome->error.value_or(base::Error{ErrorCode::token_failed, "some items could not be signed", 0, {}}));
}

}  // namespace

void add_sign(CLI::App& app, Context& context) {
  static Options options;
  CLI::App* const command = app.add_subcommand("sign", "Sign files or hashes; writes <name>.xades.xml for each");
  command->add_option("FILE", options.files, "Files to sign, by their SHA-256");
  command->add_option("--digest", options.digests, "A hash to sign: ALG:HEX (sha256, sha384, sha512)");
  command->add_option("--name", options.name, "The name that goes with a single --digest");
  command->add_option("--digest-list", options.digest_list, "A file with one `ALG:HEX name` a line");
  command->add_option("--cert", options.certificate, "The certificate: its id, or the start of it, from `signet certs`");
  command->add_option("--level", options.level, "b (XAdES-B-B) or t (with a time stamp, XAdES-B-T)")
      ->check(CLI::IsMember({"b", "t"}))
      ->capture_default_str();
  command->add_option("--packaging", options.packaging, "detached or enveloping")
      ->check(CLI::IsMember({"detached", "enveloping"}))
      ->capture_default_str();
  command->add_flag("--together", options.together, "One signature over all, instead of one each");
  command->add_flag("--pss", options.pss, "RSA-PSS instead of PKCS#1 v1.5");
  command->add_option("--purpose", options.purpose, "What it is for: shown in the dialog");
  command->add_option("--out", options.out, "Folder for the signatures")->capture_default_str();
  command->add_flag("--pin-stdin", options.pin_stdin,
                    "Read the PIN from standard input (the agent reads it itself); no dialog is shown");
  command->callback([&context] { context.exit_code = sign(context, options); });
}

}  // namespace signet::agent
