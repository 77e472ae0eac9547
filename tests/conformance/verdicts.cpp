#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "base/text.hpp"
#include "xades/verify.hpp"

// Our own verifier as a judge of many cases in one process: verdicts CASES, in the form that the Java judges read (judge.py,
// line_of), and a row of JSON for each. A document with several signatures has the verdict of its worst.

using namespace signet;
namespace json = boost::json;

namespace {

using Fields = std::multimap<std::string, std::string, std::less<>>;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  for (std::size_t from = 0;;) {
    const std::size_t to = text.find(at, from);
    out.push_back(text.substr(from, to - from));
    if (to == text.npos) return out;
    from = to + 1;
  }
}

Fields fields_of(const std::string& line) {
  Fields out;
  for (const std::string& field : split(line, '\t')) {
    const std::size_t equals = field.find('=');
    if (equals == field.npos) throw std::runtime_error("not key=value: " + field);
    out.emplace(field.substr(0, equals), field.substr(equals + 1));
  }
  return out;
}

std::string one(const Fields& fields, std::string_view key) {
  const auto found = fields.find(key);
  return found == fields.end() ? std::string{} : base::percent_decoded(found->second);
}

base::Bytes read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("no such file: " + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
T value_of(base::Result<T> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + result.error().detail);
  return std::move(*result);
}

xades::VerifyOptions options_of(const Fields& fields) {
  xades::VerifyOptions out;
  const auto each = [&](std::string_view key, const auto& take) {
    const auto [from, to] = fields.equal_range(key);
    for (auto at = from; at != to; ++at) take(at->second);
  };
  const auto certificates = [](std::vector<pki::Certificate>& into) {
    return [&into](const std::string& file) {
      for (auto& found : value_of(pki::certificates_in(read(base::percent_decoded(file))), file)) into.push_back(found);
    };
  };
  each("trust", certificates(out.trust.anchors));
  each("certificate", certificates(out.trust.intermediates));
  each("crl", [&](const std::string& file) {
    for (auto& found : value_of(pki::crls_in(read(base::percent_decoded(file))), file)) out.trust.crls.push_back(found);
  });
  each("content", [&](const std::string& given) {
    const auto parts = split(given, ':');
    out.data.push_back({base::percent_decoded(parts.at(0)), read(base::percent_decoded(parts.at(1)))});
  });
  each("digest", [&](const std::string& given) {
    const auto parts = split(given, ':');
    out.data.push_back(
        {base::percent_decoded(parts.at(0)), value_of(base::parse_digest(parts.at(1) + ":" + parts.at(2)), given)});
  });
  const std::string time = one(fields, "time");
  out.at = time.empty() ? std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())
                        : base::from_rfc3339(time).value();
  return out;
}

json::object row_of(const xades::SignatureReport& report) {
  json::array stamps;
  for (const auto& stamp : report.time_stamps)
    stamps.push_back(json::object{{"type", name(stamp.kind)}, {"holds", stamp.holds}, {"reason", stamp.detail}});
  return {{"indication", name(report.indication)},
          {"sub_indication", name(report.sub_indication)},
          {"integrity", name(report.integrity)},
          {"level", report.level ? profile_name(*report.level) : ""},
          {"reason", report.detail},
          {"timestamps", std::move(stamps)}};
}

int rank(const xades::SignatureReport& report) {
  return report.indication == xades::Indication::total_passed ? 0 : report.indication == xades::Indication::indeterminate ? 1 : 2;
}

void add(const std::vector<xades::SignatureReport>& reports, std::vector<const xades::SignatureReport*>& all) {
  for (const auto& report : reports) {
    all.push_back(&report);
    add(report.counter_signatures, all);
  }
}

json::object judged(const Fields& fields) {
  json::object row{{"id", one(fields, "id")}, {"judge", "signet"}};
  const auto with = [&row](json::object more) {
    for (auto& [key, value] : more) row[key] = std::move(value);
    return row;
  };
  const auto reports = xades::verify(read(one(fields, "signature")), options_of(fields));
  if (!reports) return with({{"accepted", false}, {"indication", "REFUSED"}, {"reason", reports.error().detail}});
  std::vector<const xades::SignatureReport*> all;
  add(*reports, all);
  json::array signatures;
  for (const auto* report : all) signatures.push_back(row_of(*report));
  const auto* worst = *std::ranges::max_element(all, {}, [](const auto* report) { return rank(*report); });
  row["accepted"] = worst->indication == xades::Indication::total_passed;
  row["signatures"] = std::move(signatures);
  return with(row_of(*worst));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  std::ifstream cases(argv[1]);
  if (!cases) throw std::runtime_error("no cases");
  for (std::string line; std::getline(cases, line);) {
    const Fields fields = fields_of(line);
    try {
      std::cout << json::serialize(judged(fields)) << '\n';
    } catch (const std::runtime_error& trouble) {  // what is given cannot be read: no verdict
      std::cout << json::serialize(json::object{
                       {"id", one(fields, "id")}, {"judge", "signet"}, {"indication", "ERROR"}, {"reason", trouble.what()}})
                << '\n';
    }
  }
  return std::cout.flush() ? 0 : 1;
} catch (const std::exception& trouble) {
  std::cerr << "verdicts: " << trouble.what() << '\n';
  return 1;
}
