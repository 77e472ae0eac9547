// Every fault that a module has, at every call that a batch makes of it: nothing is lost, nothing is signed twice, and the batch
// is signed to its end by whoever resumes it.
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <fstream>
#include <iostream>
#include <set>

#include "demo/pki.hpp"
#include "run.hpp"
#include "signing/batch.hpp"
#include "softhsm.hpp"
#include "xades/verify.hpp"

using namespace signet;
using namespace signet::signing;
using base::ErrorCode;
using boost::asio::awaitable;
using std::chrono::milliseconds;
using test::SoftHsm;

namespace {

constexpr std::size_t items = 20;
constexpr std::size_t lanes = 12;  // most of a run is waiting
constexpr int most_attempts = 8;
const Origin page = Origin::parse("https://sign.example").value();

base::Time clock_now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// Types the right PIN whenever asked, and counts how often consent was asked for.
class Person : public Dialog {
 public:
  unsigned consents = 0, pins = 0;

  awaitable<base::Result<ConsentAnswer>> consent(ConsentRequest request, WaitingCallback) override {
    ConsentAnswer answer;
    consents += request.consent_given ? 0 : 1;
    if (request.pin == ConsentRequest::Pin::ask) {
      ++pins;
      answer.pin = base::Secret::copy_of(base::as_bytes(SoftHsm::default_pin)).value();
    }
    co_return answer;
  }
  awaitable<base::Result<PinEntry>> enter_pins(PinEntryRequest, WaitingCallback) override {
    co_return base::failure(base::ErrorCode::user_cancelled, "nobody asks here");
  }
  awaitable<base::Result<std::size_t>> choose(Asker, Origin, std::vector<SigningCertificate>, WaitingCallback) override {
    co_return 0;
  }
  void close(const Asker&) override {}
};

struct Work {
  std::string fault;
  unsigned at = 0;
};

// What is to be run: each fault at its next step, until a run of it has none. Several steps of one fault run at once.
class Matrix {
 public:
  explicit Matrix(const std::vector<std::string>& faults) {
    for (const std::string& fault : faults) open_.push_back({fault, 1});
  }
  std::optional<Work> next() {
    if (open_.empty()) return std::nullopt;
    Work work = open_.front();
    open_.pop_front();
    open_.push_back({work.fault, work.at + 1});
    ++runs_;
    return work;
  }
  void had_none(const Work& work) {
    std::erase_if(open_, [&](const Work& one) { return one.fault == work.fault; });
    const auto [row, fresh] = steps_.emplace(work.fault, work.at - 1);
    if (!fresh) row->second = std::min(row->second, work.at - 1);
  }
  unsigned runs() const { return runs_; }
  const std::map<std::string, unsigned>& steps() const { return steps_; }

 private:
  std::deque<Work> open_;
  std::map<std::string, unsigned> steps_;
  unsigned runs_ = 0;
};

// A token and a module of its own; one run after another.
class Lane {
 public:
  Lane(boost::asio::io_context& io, demo::Authority& authority, bool rsa)
      : io_(io), authority_(authority), journal_(Journal::open(hsm_.folder() / "journal").value()) {
    const auto identity = authority.issue({.common_name = "Ana", .key_type = rsa ? pki::KeyType::rsa : pki::KeyType::ec_p256});
    hsm_.import(base::Bytes{1}, "key", identity.key.get(), identity.certificate.der());
    std::filesystem::copy_file(SIGNET_FAULTY_SOFTHSM, module());
  }

  std::string module() const { return hsm_.folder() / "faulty_softhsm.so"; }

  // The reasons why this run is not as it must be; empty for none. `came`: whether there was a fault.
  awaitable<std::vector<std::string>> run(Work work, bool& came) {
    std::vector<std::string> complaints;
    const std::filesystem::path plan = hsm_.folder() / "fault";
    std::ofstream(plan) << work.fault << ' ' << work.at << '\n';
    const std::uintmax_t journal_before = journal_size();
    Person person;
    pkcs11::Modules modules(io_.get_executor(),
                            {.program = SIGNET_TOKEN_HOST,
                             .module = {},
                             .load_timeout = limit,
                             .call_timeout = limit,
                             .list_timeout = limit,
                             .login_timeout = limit,
                             .sign_timeout = limit},
                            {{"faulty", module()}}, {.first_pause = milliseconds(1)});
    Batches batches(io_.get_executor(), SigningPorts{modules, person, journal_, clock_now, {}, {}, {}, {}, {}}, {}, {});
    const std::string handle = batches.begin(page, 1000, {}).value();
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < items; ++i) texts.push_back(std::to_string(i));
    std::vector<Manifest::Item> part;
    for (const std::string& text : texts) part.push_back({text, text, digest_of(text)});
    if (!batches.add(page, handle, 0, part)) complaints.emplace_back("add");

    std::map<std::string, std::string> signatures;
    std::set<std::string> errors;
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
      std::optional<base::Error> error;
      const BatchState before = batches.progress(page, handle)->state;
      if (before == BatchState::paused) {
        if (auto resumed = co_await batches.resume(page, handle); !resumed) error = resumed.error();
      } else if (auto committed = co_await batches.commit(page, handle, items, std::nullopt); !committed) {
        error = committed.error();
      }
      while (batches.progress(page, handle)->state == BatchState::running) co_await pause(milliseconds(3));
      errors.clear();
      const auto results = batches.results(page, handle, 0, 2 * items).value();
      signatures.clear();
      for (const ItemResult& result : results) {
        if (result.error) {
          errors.insert(result.id);
        } else if (!signatures.emplace(result.id, result.document).second) {
          complaints.push_back("two signatures of " + result.id);
        }
      }
      const BatchProgress progress = batches.progress(page, handle).value();
      if (progress.signed_count != signatures.size()) complaints.emplace_back("a signature was lost");
      if (progress.state == BatchState::complete) break;
      // What has no signature has an error: its own, or that which stopped all of it.
      if (!error && !progress.error) complaints.emplace_back("stopped without an error");
      if (error && error->code == ErrorCode::internal) complaints.push_back("a defect: " + error->detail);
    }
    if (!errors.empty()) complaints.emplace_back("a fault that came once was kept as an item's error");
    if (signatures.size() != items) complaints.push_back("ended with " + std::to_string(signatures.size()) + " signatures");
    if (journaled("sha256:", journal_before) != items) complaints.emplace_back("the journal has not each item once");
    if (journaled("pin-refused", journal_before) != 0) complaints.emplace_back("a right PIN was refused");
    if (person.consents > 1) complaints.emplace_back("consent was asked for again");
    for (const auto& [id, document] : signatures) {
      if (!verified(id, document)) complaints.push_back("the signature of " + id + " is wrong");
    }
    came = !std::filesystem::remove(plan);
    co_await batches.stop();
    co_await modules.end_all();
    co_return complaints;
  }

 private:
  static constexpr milliseconds limit{1500};  // a busy machine is no fault

  static base::Digest digest_of(const std::string& id) {
    return base::digest(base::DigestAlgorithm::sha256, base::as_bytes("content " + id));
  }
  std::uintmax_t journal_size() const { return std::filesystem::file_size(hsm_.folder() / "journal"); }
  // How often the text stands in what the journal got since it had this size.
  std::size_t journaled(const std::string& text, std::uintmax_t since) const {
    std::ifstream in(hsm_.folder() / "journal");
    in.seekg(static_cast<std::streamoff>(since));
    std::string all(journal_size() - since, '\0');
    in.read(all.data(), static_cast<std::streamsize>(all.size()));
    std::size_t count = 0;
    for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
    return count;
  }
  awaitable<void> pause(milliseconds time) {
    boost::asio::steady_timer timer(io_, time);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  // Each in turn over the runs: all of them in all runs would take most of the time.
  bool verified(const std::string& id, const std::string& document) {
    if (++looked_at_ % 19 != 0) return document.find("SignatureValue") != std::string::npos;
    xades::VerifyOptions how;
    how.trust = {{authority_.root().certificate}, {}, {authority_.crl()}};
    how.at = clock_now();
    how.data = {{id, digest_of(id)}};
    const auto reports = xades::verify(base::as_bytes(document), how);
    return reports && reports->size() == 1 && reports->front().indication == xades::Indication::total_passed;
  }

  boost::asio::io_context& io_;
  demo::Authority& authority_;
  SoftHsm hsm_ = SoftHsm::make();
  Journal journal_;
  std::size_t looked_at_ = 0;
};

}  // namespace

TEST_CASE("every fault at every call of a batch of twenty: nothing is lost, and the resumed batch ends with twenty") {
  const std::vector<std::string> faults{"crash",        "exit",          "hang",    "removed",
                                        "device_error", "general_error", "garbage", "rubbish"};
  boost::asio::io_context io{1};
  demo::Authority authority{"Test CA", clock_now()};
  std::deque<Lane> all;
  for (std::size_t i = 0; i < lanes; ++i) all.emplace_back(io, authority, i == 0);
  Matrix matrix(faults);
  std::vector<std::string> complaints;
  const auto work_on = [&](Lane& lane) -> awaitable<void> {
    while (const auto work = matrix.next()) {
      bool came = false;
      for (const std::string& complaint : co_await lane.run(*work, came))
        complaints.push_back(work->fault + " at call " + std::to_string(work->at) + ": " + complaint);
      if (!came) matrix.had_none(*work);
    }
  };
  std::size_t working = lanes;
  for (Lane& lane : all) {
    boost::asio::co_spawn(io, work_on(lane), [&](std::exception_ptr thrown) {
      if (thrown) complaints.emplace_back("an exception");
      --working;
    });
  }
  io.run();
  CHECK(working == 0);
  for (const std::string& complaint : complaints) UNSCOPED_INFO(complaint);
  CHECK(complaints.empty());
  for (const std::string& fault : faults) {
    CAPTURE(fault);
    REQUIRE(matrix.steps().contains(fault));
    // At the least each signature's own two calls.
    CHECK(matrix.steps().at(fault) >= (fault == "rubbish" ? items : 2 * items));
  }
  std::cout << "fault matrix: " << matrix.runs() << " runs";
  for (const auto& [fault, steps] : matrix.steps()) std::cout << ", " << fault << ' ' << steps;
  std::cout << std::endl;
}
