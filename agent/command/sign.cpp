#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <iostream>
#include <set>

#include "agent/command/documents.hpp"
#include "agent/command/raising.hpp"
#include "agent/messages.hpp"
#include "base/text.hpp"
#include "service/files.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::tr;

namespace json = boost::json;
using base::ErrorCode;

namespace {

struct Options {
  DocumentOptions documents;
  JudgingOptions judging;  // for levels that want it
  std::string certificate, level = "b", packaging = "detached", purpose;
  std::string policy, policy_digest, policy_url;
  std::vector<std::string> commitments, roles, place;
  bool pss = false, pin_stdin = false, overwrite = false;
};

constexpr std::size_t items_per_part = 2'000;
constexpr std::size_t most_content = std::size_t{1} << 30;
std::atomic<bool> interrupted{false};

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
  std::vector<std::string> files;
  std::set<std::size_t> stamped;  // of those with a time stamp the first documents
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

// The statements, as batch.begin has them; what is wrong with them the agent says.
json::object statements_json(const Options& options) {
  json::object out;
  if (!options.commitments.empty()) out["commitments"] = json::value_from(options.commitments);
  if (!options.roles.empty()) out["roles"] = json::value_from(options.roles);
  json::object place;
  for (const std::string& part : options.place) {
    const std::size_t equals = part.find('=');
    place[part.substr(0, equals)] = part.substr(equals + 1);
  }
  if (!place.empty()) out["place"] = std::move(place);
  if (!options.policy.empty()) {
    const auto digest = base::parse_digest(options.policy_digest).value();  // was checked
    out["policy"] = json::object{{"id", options.policy},
                                 {"digest", base::base64(digest.bytes())},
                                 {"alg", name(digest.algorithm())},
                                 {"url", options.policy_url}};
  }
  return out;
}

class Signing {
 public:
  Signing(ControlClient& agent, const Options& options, Documents& documents, bool quiet)
      : agent_(agent), options_(options), documents_(documents), quiet_(quiet) {}

  // Whatever the end was, nothing of it stays open: no dialog, no unfinished batch that counts.
  ~Signing() {
    agent_.on_event({});
    if (!batch_.empty()) (void)agent_.call("batch.close", {{"batch", batch_}});
  }
  Signing(const Signing&) = delete;  // closes its batch
  Signing& operator=(const Signing&) = delete;

  base::Result<Outcome> run(const std::string& certificate) {
    outcome_.total = documents_.signatures();
    json::object request = statements_json(options_);
    request["purpose"] = options_.purpose.empty() ? tr("Signing by the command line") : options_.purpose;
    // What is above B-T is added to what is signed (raise_all).
    request["level"] = options_.level == "b" ? "b" : "t";
    request["packaging"] = options_.packaging;
    request["certificate"] = certificate;
    request["together"] = options_.documents.together;
    request["pss"] = options_.pss;
    auto begun = agent_.call("batch.begin", std::move(request));
    if (!begun) return base::failure_of(begun);
    batch_ = begun->at("batch").as_string();
    if (auto taken = documents_.take_ids(std::string_view(begun->at("id").as_string())); !taken) return base::failure_of(taken);
    if (auto sent = send_items(); !sent) return base::failure_of(sent);
    agent_.on_event([this](std::string_view event, const json::object& params) { heard(event, params); });
    json::object commit{{"batch", batch_}, {"items", documents_.all().size()}};
    if (options_.pin_stdin) commit["pin"] = "descriptor";
    if (auto committed = agent_.call("batch.commit", std::move(commit), options_.pin_stdin ? STDIN_FILENO : -1); !committed)
      return base::failure_of(committed);
    do {
      if (auto ended = until_finished(); !ended) return base::failure_of(ended);
      if (!quiet_ && ::isatty(2) == 1) std::cerr << '\n';  // after the progress
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
    const std::vector<Documents::One>& all = documents_.all();
    std::size_t part = 0;
    for (std::size_t at = 0; at < all.size(); at += items_per_part) {
      json::array rows;
      for (std::size_t i = at; i < std::min(all.size(), at + items_per_part); ++i) {
        rows.push_back(json::object{{"id", std::to_string(i)},
                                    {"name", all[i].name},
                                    {"alg", name(all[i].digest.algorithm())},
                                    {"digest", base::base64(all[i].digest.bytes())}});
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
    outcome_.stamped.insert(index);
    if (const auto* error = row.if_contains("time_stamp_error"); error != nullptr && error->is_object()) {
      ++outcome_.without_time_stamp;
      outcome_.stamped.erase(index);
      outcome_.time_stamp_error = error_in(error->get_object());
    }
    const auto document = documents_.whole(index, std::string_view(row.at("signature").as_string()));
    const auto written = document ? write_file(documents_.target(index), *document) : std::unexpected(document.error());
    if (!written) {
      if (!write_error_) write_error_ = written.error();
    } else if (written_.insert(index).second) {
      ++outcome_.written;
      outcome_.files.push_back(documents_.target(index).string());
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
  Documents& documents_;
  bool quiet_;
  std::string batch_;
  Outcome outcome_;
  std::uint64_t last_sequence_ = 0, acknowledged_ = 0, newest_result_ = 0;
  std::set<std::size_t> written_;
  std::optional<base::Error> write_error_;
};

// Of what Documents refuses: that it is no name, and nothing of the machine.
bool is_about_content(ErrorCode code) {
  return code == ErrorCode::message_invalid || code == ErrorCode::message_too_large || code == ErrorCode::parameter_invalid;
}

bool is_part_of_place(std::string_view text) {
  for (const std::string_view name : {"city=", "street=", "state=", "postal_code=", "country="})
    if (text.starts_with(name) && text.size() > name.size()) return true;
  return false;
}

// What is wrong with the options and shows before anybody is asked.
base::Result<void> check(const Options& options) {
  if (!std::ranges::all_of(options.place, is_part_of_place))
    return base::failure(ErrorCode::parameter_invalid,
                         "--place wants city=…, street=…, state=…, postal_code=… or country=…, each for itself");
  if (options.policy.empty() != options.policy_digest.empty())
    return base::failure(ErrorCode::parameter_invalid, "--signature-policy and --signature-policy-digest belong together");
  if (options.policy_digest.empty()) return {};
  const auto digest = base::parse_digest(options.policy_digest);
  if (!digest) return std::unexpected(digest.error());
  return {};
}

// B-LT and B-LTA are made of what is signed and written, as `signet extend` does: no token waits for the network.
class Raising {
 public:
  // What would keep signatures from the level, told before they are made.
  static base::Result<Raising> with(const Context& context, const Options& options, const Documents& documents) {
    const auto level = xades::level(options.level).value();  // one of the option's
    auto judge = Judge::with(context, options.judging);
    if (!judge) return base::failure_of(judge);
    const auto configuration = context.configuration();
    if (!configuration) return std::unexpected(configuration.error());
    const bool has_hashes = std::ranges::any_of(documents.all(), [](const auto& one) { return one.file.empty(); });
    if (level == xades::Level::b_lta && has_hashes && documents.packaging() == xades::Packaging::detached)
      return base::failure(ErrorCode::parameter_invalid,
                           "an archive time stamp (B-LTA) is over the document itself, and of what is signed only the hash is "
                           "known: name the file, or have the signature hold the hash (--packaging enveloping)");
    if (judge->how().trust.anchors.empty() && judge->how().trust.services.empty())
      return base::failure(ErrorCode::parameter_invalid,
                           "B-LT holds what proves the signer's certificate: whom to trust is said by --trust or --trusted-list");
    if (level == xades::Level::b_lta && configuration->time_stamping.urls.empty())
      return base::failure(ErrorCode::time_stamp_failed,
                           "no time stamp authority is known: [time_stamping] of the configuration");
    return Raising(level, std::move(*judge), std::make_unique<service::TimeStamps>(configuration->time_stamping));
  }

  base::Result<void> raise(const Documents& documents, std::size_t index) {
    said_.clear();
    const std::filesystem::path file = documents.target(index);
    const auto content = judge_.read(file);
    if (!content) return std::unexpected(content.error());
    if (auto given = give(documents, index); !given) return given;
    // Its time stamp was made just now.
    judge_.how().at = std::chrono::ceil<std::chrono::seconds>(std::chrono::system_clock::now());
    // A document may have signatures of others.
    const auto reports = judge_.judge(*content);
    if (!reports) return std::unexpected(reports.error());
    const auto own = std::ranges::find(*reports, documents.signature_id(index), &xades::SignatureReport::id);
    if (own == reports->end()) return base::failure(ErrorCode::internal, "the signature is not in the file");
    Raise raise(judge_, *authorities_, static_cast<std::size_t>(own - reports->begin()), std::string(base::as_text(*content)));
    if (auto raised = raise.to(level_); !raised) {
      said_ = raise.said();
      return raised;
    }
    return write_file(file, raise.document());
  }
  // Of the last one that was not raised, for a person; may be empty.
  const std::string& said() const { return said_; }

 private:
  Raising(xades::Level level, Judge judge, std::unique_ptr<service::TimeStamps> authorities)
      : level_(level), judge_(std::move(judge)), authorities_(std::move(authorities)) {}

  // What a detached signature is over.
  base::Result<void> give(const Documents& documents, std::size_t index) {
    judge_.how().data.clear();
    if (documents.packaging() != xades::Packaging::detached) return {};
    for (const Documents::One& one : documents.of_signature(index)) {
      xades::GivenData data{one.name, one.digest};
      if (level_ == xades::Level::b_lta) {
        auto content = service::read_file(one.file, most_content);
        if (!content) return base::failure_of(content);
        data.content = std::move(*content);
      }
      judge_.how().data.push_back(std::move(data));
    }
    return {};
  }

  xades::Level level_;
  Judge judge_;
  std::unique_ptr<service::TimeStamps> authorities_;
  std::string said_;
};

// How many did not come to the level; why is said of each.
std::size_t raise_all(Raising& raising, const Documents& documents, const std::set<std::size_t>& written, bool quiet) {
  std::size_t below = 0;
  for (const std::size_t index : written) {
    const auto raised = raising.raise(documents, index);
    if (raised) continue;
    ++below;
    if (quiet) continue;
    std::cerr << "signet: "
              << filled(tr("%1 was written, but not at the level that was asked for. `signet extend` tries again."),
                        {base::shown(documents.target(index).string(), 200)})
              << (raising.said().empty() ? "" : "\n        ") << raising.said() << "\n        (" << name(raised.error().code)
              << ": " << raised.error().detail << ")\n";
  }
  return below;
}

int sign(const Context& context, const Options& options) {
  if (auto fit = check(options); !fit) return report(context, fit.error());
  DocumentOptions wanted = options.documents;
  const xades::Packaging wanted_packaging = xades::packaging(options.packaging).value();  // one of the option's
  wanted.packaging = wanted_packaging;
  wanted.limits = limits_of(options.judging.max_size);
  auto documents = Documents::with(std::move(wanted));
  if (!documents)
    return report(context, documents.error(),
                  wanted_packaging >= xades::Packaging::enveloping_file && is_about_content(documents.error().code)
                      ? tr("This cannot be signed with this packaging.")
                      : "");
  std::optional<Raising> raising;
  if (options.level == "lt" || options.level == "lta") {
    auto prepared = Raising::with(context, options, *documents);
    if (!prepared)
      return report(context, prepared.error(),
                    prepared.error().code == ErrorCode::parameter_invalid ? tr("This level cannot be made like this.")
                                                                          : said_of_trust(prepared.error()));
    raising.emplace(std::move(*prepared));
  }
  // Another person's signature of the same document has the same name.
  for (std::size_t i = 0; i < documents->signatures() && !options.overwrite; ++i) {
    std::error_code unknown;
    if (std::filesystem::exists(documents->target(i), unknown))
      return report(context, {ErrorCode::parameter_invalid, documents->target(i).string() + " exists", 0, {}},
                    filled(tr("%1 is there already, and would be replaced. Choose another folder with --out, or replace it with "
                              "--overwrite."),
                           {base::shown(documents->target(i).string(), 200)}));
  }
  std::error_code created;
  std::filesystem::create_directories(options.documents.out, created);
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
  auto outcome = Signing(*agent, options, *documents, context.json).run(*certificate);
  if (!outcome) return report(context, outcome.error());
  const std::size_t below = raising ? raise_all(*raising, *documents, outcome->stamped, context.json) : 0;
  if (context.json) {
    json::object row{{"state", outcome->state},
                     {"total", outcome->total},
                     {"signed", outcome->written},
                     {"files", json::array(outcome->files.begin(), outcome->files.end())},
                     {"failed", outcome->failed},
                     {"without_time_stamp", outcome->without_time_stamp},
                     {"below_level", below + outcome->without_time_stamp}};
    if (outcome->error) row["error"] = name(outcome->error->code);
    std::cout << json::serialize(row) << '\n';
  } else {
    std::cout << filled(tr("%1 of %2 signature was written to %3", "%1 of %2 signatures were written to %3", outcome->total),
                        {std::to_string(outcome->written), std::to_string(outcome->total),
                         outcome->files.size() == 1 ? base::shown(outcome->files.front(), 200) : options.documents.out})
              << '\n';
    if (outcome->without_time_stamp > 0)
      std::cerr << "signet: " << message_for(ErrorCode::time_stamp_failed) << " (" << outcome->without_time_stamp << "; "
                << outcome->time_stamp_error->detail << ")\n";
  }
  if (outcome->state == "complete" && outcome->failed == 0) {
    const bool short_of_level = outcome->without_time_stamp > 0 || below > 0;
    return short_of_level ? exit_code_of({ErrorCode::time_stamp_failed, {}, 0, {}}) : 0;
  }
  return report(context, outcome->error.value_or(base::Error{ErrorCode::token_failed, "some items could not be signed", 0, {}}));
}

}  // namespace

void add_sign(CLI::App& app, Context& context) {
  static Options options;
  CLI::App* const command = app.add_subcommand("sign", "Sign files or hashes; writes <name>.xades.xml for each");
  command->add_option("FILE", options.documents.files, "Files to sign, by their SHA-256");
  command->add_option("--digest", options.documents.digests, "A hash to sign: ALG:HEX (sha256, sha384, sha512)");
  command->add_option("--name", options.documents.name, "The name that goes with a single --digest");
  command->add_option("--digest-list", options.documents.digest_list, "A file with one `ALG:HEX name` a line");
  command->add_option("--cert", options.certificate, "The certificate: its id, or the start of it, from `signet certs`");
  command
      ->add_option(
          "--level", options.level,
          "b (XAdES-B-B), t (with a time stamp), lt (what proves the certificate too) or lta (an archive time stamp); lt and lta "
          "want --trust or --trusted-list")
      ->check(CLI::IsMember({"b", "t", "lt", "lta"}))
      ->capture_default_str();
  command
      ->add_option("--packaging", options.packaging,
                   "detached; enveloping (the hash within), enveloping-file or enveloping-xml (the file within); enveloped (the "
                   "signature within an XML file)")
      ->check(CLI::IsMember({"detached", "enveloping", "enveloping-file", "enveloping-xml", "enveloped"}))
      ->capture_default_str();
  command->add_flag("--together", options.documents.together, "One signature over all, instead of one each");
  // One value an option: what follows is a file.
  command
      ->add_option("--commitment", options.commitments,
                   "What you commit to: origin, receipt, delivery, sender, approval, creation, or a URI; at most two")
      ->allow_extra_args(false);
  command->add_option("--role", options.roles, "In which role you sign; at most two")->allow_extra_args(false);
  command->add_option("--place", options.place, "Where you sign: city=…, street=…, state=…, postal_code=…, country=…")
      ->allow_extra_args(false);
  command->add_option("--signature-policy", options.policy,
                      "The policy that you sign by: a URI; wants --signature-policy-digest");
  command->add_option("--signature-policy-digest", options.policy_digest, "The hash of its document: ALG:HEX");
  command->add_option("--signature-policy-url", options.policy_url, "Where its document is");
  add_trust(*command, options.judging);
  command->add_flag("--pss", options.pss, "RSA-PSS instead of PKCS#1 v1.5");
  command->add_option("--purpose", options.purpose, "What it is for: shown in the dialog");
  command->add_option("--out", options.documents.out, "Folder for the signatures")->capture_default_str();
  command->add_flag("--overwrite", options.overwrite, "Replace signatures that are in the folder already");
  command->add_flag("--pin-stdin", options.pin_stdin,
                    "Read the PIN from standard input (the agent reads it itself); no dialog is shown");
  command->callback([&context] { context.exit_code = sign(context, options); });
}

}  // namespace signet::agent
