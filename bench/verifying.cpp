#include "verifying.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>

#include "demo/pki.hpp"
#include "demo/trusted_list.hpp"
#include "process.hpp"
#include "raw_xml.hpp"
#include "xades/build.hpp"
#include "xades/verify.hpp"

namespace signet::bench {
namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

constexpr std::size_t signatures = 200;
constexpr unsigned dss_rounds_before = 15;  // until the JVM has compiled what is hot

// CPU time of this thread: what else runs here is not told.
Microseconds cpu() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

double cpu_us_of(const std::function<void()>& work) {
  const Microseconds before = cpu();
  work();
  return (cpu() - before).count();
}

void say_times(const std::string& what, const std::vector<double>& times, double divisor) {
  char line[160];
  std::snprintf(line, sizeof line, "  %s: %.1f us CPU (median of %zu rounds)", what.c_str(), median(times) / divisor,
                times.size());
  note(line);
}

// As the hash of each document would be signed for e-services: four signers, their authority and its root in KeyInfo.
struct World {
  base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  demo::Authority root{"Bench Root", now};
  demo::Authority issuer = root.subordinate({.common_name = "Bench CA"});
  demo::Identity ec_signer = issuer.issue({.common_name = "Signer of much", .key_type = pki::KeyType::ec_p256});
  std::vector<std::string> documents;

  World() {
    for (std::size_t signer = 0; signer < 4; ++signer)
      sign_with(issuer.issue({.common_name = "Signer " + std::to_string(signer)}));
  }

  void sign_with(const demo::Identity& signer) {
    const xades::SignatureWriter writer({.signing_certificate = signer.certificate,
                                         .chain = {issuer.root().certificate, root.root().certificate},
                                         .algorithm = {xades::KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256},
                                         .packaging = xades::Packaging::enveloping,
                                         .shared_id = "signet-bench",
                                         .signing_time = now,
                                         .objects = 1});
    for (std::size_t i = 0; i < signatures / 4; ++i) {
      const std::string number = std::to_string(documents.size());
      const xades::DataObject object{"document", base::digest(base::DigestAlgorithm::sha256, base::as_bytes(number))};
      const std::string id = "signet-bench-" + number;
      const xades::SignatureContent content{id, {&object, 1}};
      const auto value = demo::sign_digest(signer.key, demo::SoftScheme::rsa_pkcs1, writer.to_be_signed(content));
      documents.push_back(writer.document(content, value));
    }
  }

  xades::VerifyOptions options() {
    return {.trust = {.anchors = {root.root().certificate}, .intermediates = {}, .crls = {root.crl(), issuer.crl()}},
            .at = now,
            .data = {},
            .limits = {}};
  }
};

void verify(const std::string& document, const xades::VerifyOptions& options) {
  const auto reports = xades::verify(base::as_bytes(document), options);
  if (!reports || reports->size() != 1 || reports->front().indication != xades::Indication::total_passed)
    throw std::runtime_error("verify: not TOTAL-PASSED: " + (reports ? reports->front().detail : reports.error().detail));
}

void write(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

// DSS in a JVM that stays, told by one pipe to verify all once, answering by another how long that took.
class Dss {
 public:
  Dss(World& world, const std::filesystem::path& judges, const std::filesystem::path& folder) {
    write(folder / "root.pem", demo::pem(world.root.root().certificate));
    write(folder / "lists.pem", demo::pem(world.root.crl()) + demo::pem(world.issuer.crl()));
    std::ofstream cases(folder / "cases");
    for (std::size_t i = 0; i < world.documents.size(); ++i) {
      const auto file = folder / (std::to_string(i) + ".xml");
      write(file, world.documents[i]);
      cases << "id=" << i << "\tjudge=dss\tsignature=" << file.string() << "\ttrust=" << (folder / "root.pem").string()
            << "\tcrl=" << (folder / "lists.pem").string() << '\n';
    }
    cases.close();
    const auto ask = folder / "ask", answer = folder / "answer";
    if (mkfifo(ask.c_str(), 0600) != 0 || mkfifo(answer.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
    log_ = folder / "dss.log";
    jvm_.emplace(
        std::vector<std::string>{"/usr/bin/java", "-cp", (judges / "classes").string() + ":" + (judges / "lib").string() + "/*",
                                 "org.signet.judges.Stopwatch", (folder / "cases").string(), ask.string(), answer.string()},
        log_);
    // For reading and writing: opening one end of a FIFO would wait for a JVM that may not start.
    ask_ = open(ask.c_str(), O_RDWR | O_CLOEXEC);
    answer_.open(answer, std::ios::in | std::ios::out);
  }
  ~Dss() { close(ask_); }
  Dss(const Dss&) = delete;  // owns a process
  Dss& operator=(const Dss&) = delete;

  // Microseconds of the JVM's CPU for all signatures once, its collector's and compiler's included.
  double once() {
    if (::write(ask_, "\n", 1) != 1) throw std::runtime_error("DSS: write");
    std::string line;
    if (!std::getline(answer_, line) || line.empty() || line[0] == '!') throw std::runtime_error("DSS: " + line + text_of(log_));
    return std::stod(line);
  }

 private:
  std::filesystem::path log_;
  std::optional<Process> jvm_;
  int ask_ = -1;
  std::fstream answer_;
};

// Some megabytes of a report: elements of two levels with attributes and text, as many as the default limits allow and less.
std::string big_document() {
  std::string text = "<report>";
  for (std::size_t row = 0; text.size() < std::size_t{12} << 20; ++row) {
    const std::string number = std::to_string(row);
    text += "<row number=\"" + number + "\"><name>Document " + number + " \xC8\x99i anexe</name><text>" +
            std::string(300, 'a' + char(row % 26)) + "</text></row>\n";
  }
  return text + "</report>";
}

}  // namespace

std::vector<Figure> verifying(unsigned rounds, const std::filesystem::path& judges) {
  World world;
  const xades::VerifyOptions options = world.options();
  const RawXmlsec xmlsec(world.root.root().certificate);
  const Folder folder;
  std::optional<Dss> dss;
  note("verifying " + std::to_string(signatures) + " signatures of " + std::to_string(world.documents.front().size()) + " bytes");
  if (!judges.empty()) {
    dss.emplace(world, judges, folder.path);
    for (unsigned i = 0; i < dss_rounds_before; ++i) dss->once();
  }
  const auto ours = [&] {
    for (const auto& document : world.documents) verify(document, options);
  };
  const auto theirs = [&] {
    for (const auto& document : world.documents) xmlsec.verify(document);
  };
  std::vector<double> our_times, xmlsec_times, dss_times, to_xmlsec, to_dss;
  for (unsigned round = 0; round < rounds; ++round) {
    xmlsec_times.push_back(cpu_us_of(theirs));
    our_times.push_back(cpu_us_of(ours));
    to_xmlsec.push_back(xmlsec_times.back() / our_times.back());
    if (!dss) continue;
    dss_times.push_back(dss->once());
    to_dss.push_back(dss_times.back() / our_times.back());
  }
  say_times("ours, with both lists checked", our_times, signatures);
  say_times("libxmlsec1, KeyInfo and chain", xmlsec_times, signatures);
  std::vector<Figure> figures{
      {"verify_vs_xmlsec", median(to_xmlsec), 2, true, "verifying 6 kB with its chain against libxmlsec1, which asks no list"}};
  if (dss) {
    say_times("DSS, warm", dss_times, signatures);
    figures.push_back({"verify_vs_dss", median(to_dss), 1, true, "the same against DSS, warm"});
  }
  return figures;
}

Figure big_xml(unsigned rounds) {
  World world;
  const std::string content = big_document();
  const std::string document = demo::with_enveloped_signature(content, world.ec_signer, world.now, "", content);
  xades::VerifyOptions options = world.options();
  options.trust.intermediates = {world.issuer.root().certificate};
  note("an enveloped signature in " + std::to_string(document.size()) + " bytes");
  std::vector<double> ours, theirs, ratios;
  for (unsigned round = 0; round < rounds; ++round) {
    theirs.push_back(cpu_us_of([&] { parse_and_canonicalize(document); }));
    ours.push_back(cpu_us_of([&] { verify(document, options); }));
    ratios.push_back(ours.back() / theirs.back());
  }
  say_times("ours", ours, 1);
  say_times("libxml2's parse and C14N", theirs, 1);
  return {"big_xml_vs_libxml2", median(ratios), 1.5, false, "verifying 12 MiB of enveloped XML against parse and C14N alone"};
}

}  // namespace signet::bench
