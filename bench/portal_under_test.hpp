#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "load.hpp"
#include "process.hpp"

namespace signet::bench {

// A signet-portal with a sandbox, on a SQLite database of its own unless one is given, with one e-service that may call. Ended
// with the object.
class PortalUnderTest {
 public:
  // `folder`: its own, made if it is not there.
  PortalUnderTest(const std::filesystem::path& programs, const std::filesystem::path& folder, const std::string& database = {});

  static constexpr const char* return_url = "https://shop.example/signed";
  std::filesystem::path folder() const { return folder_; }
  std::filesystem::path server_certificate() const { return folder_ / "server.pem"; }
  std::filesystem::path server_key() const { return folder_ / "server.key"; }
  std::filesystem::path sandbox() const { return folder_ / "sandbox"; }
  std::filesystem::path database_file() const { return folder_ / "portal.db"; }
  LoadOptions callers(std::size_t connections) const;   // the e-service, at the API
  LoadOptions browsers(std::size_t connections) const;  // people, at the pages
  const Process& process() const { return processes_.back(); }

  // Posts, signs as the Sign Page does with the sandbox, and says the request's id.
  std::string signed_request(std::size_t contents) const;

 private:
  std::string page(const std::string& method, const std::string& path, const std::string& headers, const std::string& body) const;

  std::filesystem::path folder_;
  std::vector<Process> processes_;  // one
  std::uint16_t api_port_ = 0, page_port_ = 0;
};

// Whole HTTP messages, with the form and the headers of .NET's client.
std::string post_message(std::size_t contents);
std::string get_message(const std::string& request_id);
std::string verify_message(base::BytesView digest, base::BytesView signature);
std::string open_page_message(const std::string& request_id);
// The digest of content `number` of each post.
base::Bytes posted_digest(std::size_t number);
// What stands between <name> and </name>, the first; throws where there is none.
std::string element(std::string_view xml, const std::string& name);

}  // namespace signet::bench
