#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <memory>

#include "net/http_server.hpp"
#include "portal/acceptance.hpp"
#include "portal/configuration.hpp"
#include "portal/page_token.hpp"
#include "portal/simulation.hpp"
#include "portal/store.hpp"
#include "service/event_log.hpp"

namespace signet::portal {

struct PagePorts {
  Store* store = nullptr;
  base::Bytes token_secret;  // of all instances: Store::shared_secret
  std::function<base::Time()> now;
  // By id, as the register is now.
  std::function<std::optional<Consumer>(const std::string& id)> consumer;
  // accept() on a worker, with a time stamp added where that is configured: answers in the order of what was asked.
  std::function<boost::asio::awaitable<std::vector<std::expected<Accepted, Refusal>>>(
      std::vector<std::pair<std::string, Wanted>>)>
      judge;
  // Somebody asks for time stamps again: whoever stamps them shall not still rest after a failure.
  std::function<void()> stamp_anew;
  // One signature of somebody's, for the verification page: verify_content() on a worker; nothing where too many wait already, of
  // all or of this address.
  std::function<boost::asio::awaitable<std::optional<VerificationResult>>(VerificationContent content, Language language,
                                                                          boost::asio::ip::address of)>
      verify;
  // Absent: no sandbox.
  std::function<boost::asio::awaitable<base::Result<std::vector<std::string>>>(std::vector<SandboxWish> wishes)> sandbox_sign;
  std::function<void(std::string_view event, const service::EventFields& fields)> on_event;
};

// One file of the pages, as it is served.
struct PageFile {
  std::string content_type, content, etag;
};
// What esbuild made: index.html with its two marks, scripts, styles. file_failed where one is missing.
base::Result<std::map<std::string, PageFile>> page_files(const std::filesystem::path& folder);

// The Sign Page and what its script asks (pages/README.md). One thread (the server's); outlives the server.
class PageFace {
 public:
  struct Instrument {
    std::string id, kind;
    std::vector<pki::Certificate> issuers;
    std::string_view unavailable = {};  // why nobody can sign with it here, a word of pages/README.md; empty: they can
  };
  struct Options {
    std::string public_url;
    std::string install_url;
    std::vector<Instrument> instruments;
    bool sandbox = false;
    xades::Level level = xades::Level::b_t;  // that a page must bring; what lacks a time stamp gets it here
    std::map<std::string, PageFile> files;
  };
  PageFace(Options options, PagePorts ports);

  boost::asio::awaitable<net::HttpResponse> answer(net::HttpRequest request);
  // How long a body may be (net::HttpHandlers::body_bytes): only a page of ours brings signatures.
  std::size_t body_bytes(const net::HttpRequest& head) const;

 private:
  using Object = boost::json::object;
  boost::asio::awaitable<net::HttpResponse> open(net::HttpRequest request, std::string id);
  boost::asio::awaitable<PageReply> call(net::HttpRequest request, std::string id, std::string name);
  boost::asio::awaitable<PageReply> verify(net::HttpRequest request);
  boost::asio::awaitable<PageReply> claim(PageToken token, Object parameters);
  boost::asio::awaitable<PageReply> contents(PageToken token, Object parameters);
  boost::asio::awaitable<PageReply> save(PageToken token, Object parameters);
  boost::asio::awaitable<PageReply> release(PageToken token, Object parameters);
  boost::asio::awaitable<PageReply> give_up(PageToken token, Object parameters);
  boost::asio::awaitable<PageReply> state(PageToken token);
  enum class Stamping : std::uint8_t { usual, anew };  // anew: somebody asks for time stamps again
  boost::asio::awaitable<PageReply> save_judged(Claim claim, std::vector<std::pair<std::uint32_t, std::string>> signatures,
                                                Stamping stamping);
  // In a sandbox, page_face_sandbox.cpp: calls of a page, and those of integrators' own tests.
  boost::asio::awaitable<PageReply> simulated(PageToken token, std::string name, Object parameters);
  boost::asio::awaitable<PageReply> integrator(net::HttpRequest request, std::string id);
  boost::asio::awaitable<std::optional<PageReply>> played_by_integrator(std::string id, Object parameters);

  net::HttpResponse page(unsigned status, std::string_view language, Object data, std::string_view return_url) const;
  static net::HttpResponse json_response(PageReply reply);
  net::HttpResponse file(const net::HttpRequest& request, const PageFile& file) const;
  Object way_back(const PageToken& token) const;
  Object state_of(const StoredRequest& request, const PageToken& token);
  const Instrument* instrument(std::string_view id) const;
  std::optional<Consumer> served_consumer(const StoredRequest& request) const;
  const Instrument* shown_instrument(std::string_view id) const;
  const Instrument* instrument_of_kind(std::string_view kind, std::string_view named) const;

  Options options_;
  PagePorts ports_;
  std::unique_ptr<Simulation> simulation_;  // in a sandbox
};

}  // namespace signet::portal
