#include "net/fetch.hpp"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstring>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "public_address.hpp"

namespace signet::net {
namespace {

using base::ErrorCode;

constexpr int poll_ms = 100;  // how late a cancellation may be noticed

// libcurl costs a megabyte once it is used: not before the first fetch. Never cleaned up: threads may still hold handles.
bool initialised() {
  static const bool done = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return done;
}

// A multi handle keeps the connections, and can be polled as often as we want: curl_easy_perform notices a
// cancellation only after a second.
struct Handles {
  base::Owned<CURLM, curl_multi_cleanup> multi{curl_multi_init()};
  base::Owned<CURL, curl_easy_cleanup> easy{curl_easy_init()};
};

struct Receiver {
  base::Bytes body;
  std::size_t limit;
  bool too_large = false;
};

std::size_t receive(char* data, std::size_t, std::size_t size, void* context) {
  auto& receiver = *static_cast<Receiver*>(context);
  if (size > receiver.limit - receiver.body.size()) {
    receiver.too_large = true;
    return 0;
  }
  receiver.body.insert(receiver.body.end(), data, data + size);
  return size;
}

bool one_line(const std::string& text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::unexpected<base::Error> failed(CURLcode code, const char* detail) {
  std::string text = curl_easy_strerror(code);
  if (detail != nullptr && *detail != '\0') text = text + ": " + detail;
  return base::failure(ErrorCode::network_failed, std::move(text), static_cast<std::uint64_t>(code));
}

// Of the addresses of a name.
struct Addresses {
  bool refused = false, asked = false;
};

// libcurl's word for "I do not want this one": it goes on to the next address of the name.
curl_socket_t open_public(void* context, curlsocktype, curl_sockaddr* where) {
  bool fine = false;
  if (where->family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &where->addr, sizeof v4);
    fine = is_public(boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)));
  } else if (where->family == AF_INET6) {
    boost::asio::ip::address_v6::bytes_type bytes{};
    std::memcpy(bytes.data(), reinterpret_cast<const unsigned char*>(&where->addr) + offsetof(sockaddr_in6, sin6_addr),
                bytes.size());
    fine = is_public(boost::asio::ip::address_v6(bytes));
  }
  auto& addresses = *static_cast<Addresses*>(context);
  (fine ? addresses.asked : addresses.refused) = true;
  return fine ? ::socket(where->family, where->socktype | SOCK_CLOEXEC, where->protocol) : CURL_SOCKET_BAD;
}

class HeaderList {
 public:
  void add(const std::string& line) {
    if (curl_slist* longer = curl_slist_append(list_.get(), line.c_str())) {
      (void)list_.release();
      list_.reset(longer);
    }
  }
  curl_slist* native() const { return list_.get(); }

 private:
  base::Owned<curl_slist, curl_slist_free_all> list_;
};

// Takes the easy handle out again on every way out: the multi handle must not outlive what it points to.
class Added {
 public:
  explicit Added(Handles& handles) : handles_(handles) { curl_multi_add_handle(handles_.multi.get(), handles_.easy.get()); }
  Added(const Added&) = delete;
  Added& operator=(const Added&) = delete;
  ~Added() { curl_multi_remove_handle(handles_.multi.get(), handles_.easy.get()); }

 private:
  Handles& handles_;
};

base::Result<CURLcode> run(Handles& handles, const std::atomic<bool>* cancelled) {
  const Added added(handles);
  for (;;) {
    int running = 0;
    if (curl_multi_perform(handles.multi.get(), &running) != CURLM_OK)
      return base::failure(ErrorCode::network_failed, "curl_multi_perform");
    int left = 0;
    if (const CURLMsg* message = curl_multi_info_read(handles.multi.get(), &left);
        message != nullptr && message->msg == CURLMSG_DONE)
      return message->data.result;
    if (running == 0) return base::failure(ErrorCode::network_failed, "the transfer ended without a result");
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed))
      return base::failure(ErrorCode::network_failed, "cancelled");
    curl_multi_poll(handles.multi.get(), nullptr, 0, poll_ms, nullptr);
  }
}

// An address as libcurl understands it, so that what is looked at is what is called.
class Url {
 public:
  // network_failed, as libcurl has it for what is no address.
  static base::Result<Url> parse(const std::string& text) {
    Url out;
    if (!out.handle_) return base::failure(ErrorCode::network_failed, "curl_url");
    if (const CURLUcode code = curl_url_set(out.handle_.get(), CURLUPART_URL, text.c_str(), CURLU_GUESS_SCHEME);
        code != CURLUE_OK)
      return base::failure(ErrorCode::network_failed, curl_url_strerror(code));
    out.scheme = out.part(CURLUPART_SCHEME);
    out.host = out.part(CURLUPART_HOST);
    return out;
  }
  CURLU* native() const { return handle_.get(); }
  std::string scheme, host;

 private:
  std::string part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_url_get(handle_.get(), which, &text, which == CURLUPART_HOST ? CURLU_URLDECODE : 0) != CURLUE_OK) return {};
    const base::Owned<char, curl_free> owned(text);
    return owned.get();
  }

  base::Owned<CURLU, curl_url_cleanup> handle_{curl_url()};
};

// For an address that a stranger wrote. Through a proxy, which the user chose and which may be anywhere, only its text can be
// looked at; else each address that is connected to. Whether there is a proxy must be known beforehand, so libcurl is not left to
// decide.
base::Result<void> guard(CURL* easy, const Url& url, Addresses& addresses) {
  if (!may_be_public(url.host))
    return base::failure(ErrorCode::network_failed, "not a public address: " + base::shown(url.host, 100),
                         only_private_addresses);
  const std::string proxy = proxy_for(url.scheme, url.host);
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  if (!proxy.empty()) return {};
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_public);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &addresses);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);  // one that is kept was not asked about
  return {};
}

struct Exchanged {
  FetchResponse response;
  std::string redirected_to;  // empty: nowhere
};

base::Result<Exchanged> exchange(Handles& handles, const FetchRequest& request, const std::atomic<bool>* cancelled) {
  CURL* easy = handles.easy.get();
  char detail[CURL_ERROR_SIZE] = "";
  Addresses addresses;
  Receiver receiver{{}, request.max_response_bytes};
  HeaderList headers;
  headers.add("Expect:");  // without it a body over 1 MB waits a second for "100 Continue"
  if (!request.accept.empty()) headers.add("Accept: " + request.accept);
  if (!request.body.empty()) headers.add("Content-Type: " + request.content_type);
  const auto url = Url::parse(request.url);
  if (!url) return std::unexpected(url.error());

  const base::Owned<CURL, curl_easy_reset> forgotten(easy);  // the options point into this call; connections stay

  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CURLU, url->native());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);  // libcurl would use kept connections for what it is sent to
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "signet");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.native());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &receiver);
  if (request.public_addresses_only) {
    if (auto ok = guard(easy, *url, addresses); !ok) return std::unexpected(ok.error());
  }
  if (!request.tls.authorities.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, request.tls.authorities.c_str());
  if (!request.tls.certificate.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, request.tls.certificate.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, request.tls.private_key.c_str());
  }
  if (!request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, reinterpret_cast<const char*>(request.body.data()));
  }

  auto ended = run(handles, cancelled);
  if (!ended) return base::failure_of(ended);
  if (receiver.too_large)
    return base::failure(ErrorCode::message_too_large, "response over " + std::to_string(request.max_response_bytes) + " bytes");
  if (*ended != CURLE_OK && addresses.refused && !addresses.asked)
    return base::failure(ErrorCode::network_failed, "no public address: " + base::shown(url->host, 100), only_private_addresses);
  if (*ended != CURLE_OK) return failed(*ended, detail);

  Exchanged out;
  out.response.body = std::move(receiver.body);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &out.response.status);
  const char* text = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &text);
  if (text != nullptr) out.response.content_type = text;
  curl_off_t wait = 0;
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &wait);
  if (wait > 0 && (out.response.status == 429 || out.response.status == 503))
    out.response.retry_after = std::chrono::seconds{wait};
  text = nullptr;
  curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &text);
  if (text != nullptr) out.redirected_to = text;
  return out;
}

}  // namespace

base::Result<FetchResponse> fetch(const FetchRequest& request, const std::atomic<bool>* cancelled) {
  if (!one_line(request.url) || !one_line(request.content_type) || !one_line(request.accept))
    return base::failure(ErrorCode::parameter_invalid, "a control character in the URL or a header");
  if (!initialised()) return base::failure(ErrorCode::network_failed, "curl_global_init");
  static thread_local Handles handles;
  if (!handles.multi || !handles.easy) return base::failure(ErrorCode::network_failed, "curl_easy_init");

  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + request.timeout;
  FetchRequest next = request;
  for (unsigned redirects = 0;; ++redirects) {
    auto exchanged = exchange(handles, next, cancelled);
    if (!exchanged) return base::failure_of(exchanged);
    if (exchanged->redirected_to.empty() || request.max_redirects == 0) return std::move(exchanged->response);
    if (redirects == request.max_redirects) return base::failure(ErrorCode::network_failed, "more redirects than the limit");
    next.url = std::move(exchanged->redirected_to);
    next.tls = {
        .authorities = request.tls.authorities, .certificate = {}, .private_key = {}};  // who we are is for whom we called
    if (exchanged->response.status == 303) next.body.clear();  // RFC 9110 15.4.4; after 301 and 302 a POST stays one here
    next.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (next.timeout.count() <= 0) return base::failure(ErrorCode::network_failed, "no time is left to follow a redirect");
  }
}

}  // namespace signet::net
