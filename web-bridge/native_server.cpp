#include "web_bridge/native_server.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "answers.hpp"
#include "base/text.hpp"
#include "net/peer_user.hpp"
#include "web_bridge/json.hpp"

namespace signet::web_bridge {

using base::ErrorCode;
using boost::asio::awaitable;

namespace {

constexpr std::string_view subprotocol = "signet.v1";
constexpr std::string_view path = "/v1";
constexpr std::size_t shown_bytes = 200;  // of what a stranger sent

std::uint16_t close_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::other_user:
      return 4409;
    case ErrorCode::too_many:
      return 4429;
    default:
      return 4403;
  }
}

net::HttpResponse json_response(unsigned status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

net::HttpResponse refusal(unsigned status, ErrorCode code) {
  std::string body;
  {
    JsonObject object(body);
    JsonObject(object.member("error")).text("code", name(code));
  }
  auto response = json_response(status, std::move(body));
  response.close = true;
  return response;
}

// Sec-WebSocket-Protocol: a list, in one header or several (RFC 6455 11.3.4).
bool offers_subprotocol(const net::HttpRequest& request) {
  for (std::string_view list : request.all("sec-websocket-protocol")) {
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      std::string_view one = list.substr(0, comma);
      while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
      while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
      if (one == subprotocol) return true;
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
  }
  return false;
}

class WebSocketChannel : public Channel {
 public:
  WebSocketChannel(std::shared_ptr<net::WebSocket> socket, net::Endpoint local, net::Endpoint remote,
                   std::shared_ptr<const OriginPolicy> policy)
      : socket_(std::move(socket)), local_(std::move(local)), remote_(std::move(remote)), policy_(std::move(policy)) {}

  awaitable<base::Result<std::string>> read() override { return socket_->read(); }
  awaitable<base::Result<void>> write(std::string text) override { return socket_->write(std::move(text)); }
  awaitable<void> close(std::uint16_t code, std::string reason) override { return socket_->close(code, std::move(reason)); }
  void cut() override { socket_->cut(); }
  net::Descriptor take_descriptor() override { return {}; }

  base::Result<void> still_served() override {
    const auto user = net::peer_user(local_, remote_);
    if (!user) return std::unexpected(base::Error{ErrorCode::other_user, user.error().detail, user.error().origin, {}});
    if (!policy_->serves(*user)) return base::failure(ErrorCode::other_user, "this agent serves another user");
    return {};
  }

 private:
  std::shared_ptr<net::WebSocket> socket_;
  net::Endpoint local_, remote_;
  std::shared_ptr<const OriginPolicy> policy_;
};

}  // namespace

class NativeServer::Implementation {
 public:
  Implementation(boost::asio::any_io_executor executor, NativeFace& face, NativeServerOptions options)
      : face_(face),
        options_(std::move(options)),
        policy_(std::make_shared<const OriginPolicy>(std::move(options_.policy))),
        server_(std::move(executor),
                net::HttpHandlers{
                    .request = [this](net::HttpRequest request) { return answer(std::move(request)); },
                    .body_bytes = {},
                    .speaks_for_many = {},
                    .upgrade = [this](net::HttpRequest request) { return upgrade(std::move(request)); },
                    .on_event = [this](std::string_view event,
                                       std::string_view detail) { face_.event(event, {{"detail", std::string(detail)}}); }},
                options_.http) {}

  base::Result<std::uint16_t> start();
  net::HttpServer& server() { return server_; }

 private:
  using Decision = std::variant<net::HttpResponse, net::Upgrade>;

  base::Result<std::uint16_t> listen(std::uint16_t port);
  awaitable<net::HttpResponse> answer(net::HttpRequest request);
  awaitable<Decision> upgrade(net::HttpRequest request);
  base::Result<uid_t> user_of(const net::HttpRequest& request) const;
  void refused(const base::Error& error, const net::HttpRequest& request) const;

  NativeFace& face_;
  NativeServerOptions options_;
  std::shared_ptr<const OriginPolicy> policy_;
  net::HttpServer server_;
};

base::Result<uid_t> NativeServer::Implementation::user_of(const net::HttpRequest& request) const {
  const auto user = net::peer_user(request.local, request.remote);
  if (!user) return base::failure(ErrorCode::other_user, user.error().detail, user.error().origin);
  if (!policy_->serves(*user)) return base::failure(ErrorCode::other_user, "this agent serves another user", *user);
  return user;
}

void NativeServer::Implementation::refused(const base::Error& error, const net::HttpRequest& request) const {
  EventFields fields{{"code", std::string(name(error.code))}, {"detail", base::shown(error.detail, shown_bytes)}};
  for (const auto origin : request.all("origin")) fields.emplace_back("origin", base::shown(origin, shown_bytes));
  face_.event("refused", fields);
}

awaitable<net::HttpResponse> NativeServer::Implementation::answer(net::HttpRequest request) {
  const auto refuse = [&](const base::Error& error) {
    refused(error, request);
    return refusal(403, error.code);
  };
  if (const auto host = check_host(request); !host) co_return refuse(host.error());
  const auto origin = origin_of(request);
  if (!origin) co_return refuse(origin.error());
  if (const auto user = user_of(request); !user) co_return refuse(user.error());
  if (!policy_->allows(*origin)) co_return refuse({ErrorCode::origin_refused, "this origin is not allowed", 0, {}});
  if (request.method != "GET" || request.target != "/health") co_return json_response(404, "{}");
  auto response = json_response(200, R"({"agent":"signet","protocol":1})");
  response.headers.emplace_back("Access-Control-Allow-Origin", origin->text());
  response.headers.emplace_back("Vary", "Origin");
  co_return response;
}

awaitable<NativeServer::Implementation::Decision> NativeServer::Implementation::upgrade(net::HttpRequest request) {
  const auto host = check_host(request);
  const auto origin = origin_of(request);
  if (!host || !origin) {
    const base::Error& error = host ? origin.error() : host.error();
    refused(error, request);
    co_return refusal(403, error.code);
  }
  if (request.target != path) co_return json_response(404, "{}");

  const auto user = user_of(request);
  std::optional<base::Error> error;
  NativeFace::Place place;
  if (!user) {
    error = user.error();
  } else if (!policy_->allows(*origin)) {
    error = base::Error{ErrorCode::origin_refused, "this origin is not allowed", 0, {}};
  } else if (auto admitted = face_.admit(*origin); !admitted) {
    error = admitted.error();
  } else {
    place = std::move(*admitted);
  }
  const bool offered = offers_subprotocol(request);
  net::Upgrade allowed;
  if (offered) allowed.subprotocol = subprotocol;
  if (error) {
    refused(*error, request);
    allowed.session = [error = *error](std::shared_ptr<net::WebSocket> socket) -> awaitable<void> {
      // By value: the callable may be gone before the coroutine is.
      return [](base::Error why, std::shared_ptr<net::WebSocket> to) -> awaitable<void> {
        if (co_await to->write(refused_event(why))) co_await to->close(close_code_of(why.code), std::string(name(why.code)));
      }(error, std::move(socket));
    };
    co_return allowed;
  }
  if (!offered) co_return refusal(400, ErrorCode::version_unsupported);
  allowed.max_message_bytes = face_.limits().message_bytes;
  allowed.session = [this, caller = Caller{*origin, *user}, place, local = request.local,
                     remote = request.remote](std::shared_ptr<net::WebSocket> socket) {
    return face_.serve(std::make_shared<WebSocketChannel>(std::move(socket), local, remote, policy_), caller, place);
  };
  co_return allowed;
}

// Both addresses or neither: "localhost" must not lead to somebody else's socket on the other one.
base::Result<std::uint16_t> NativeServer::Implementation::listen(std::uint16_t port) {
  using boost::asio::ip::address_v4;
  using boost::asio::ip::address_v6;
  auto v6 = server_.listen({address_v6::loopback(), port});
  const bool absent = !v6 && (v6.error().origin == EAFNOSUPPORT || v6.error().origin == EADDRNOTAVAIL);
  if (!v6 && !absent) return v6;
  auto v4 = server_.listen({address_v4::loopback(), absent ? port : *v6});
  if (!v4) server_.stop_accepting();
  return v4;
}

base::Result<std::uint16_t> NativeServer::Implementation::start() {
  base::Result<std::uint16_t> port = base::failure(ErrorCode::configuration_invalid, "no port");
  if (!options_.inherited.empty()) {
    for (auto& socket : options_.inherited) {
      port = server_.adopt(std::move(socket));
      if (!port) break;
    }
    return port;
  }
  for (const std::uint16_t one : options_.ports) {
    port = listen(one);
    if (port || port.error().origin != EADDRINUSE) break;
  }
  return port;
}

NativeServer::NativeServer(boost::asio::any_io_executor executor, NativeFace& face, NativeServerOptions options)
    : implementation_(std::make_unique<Implementation>(std::move(executor), face, std::move(options))) {}
NativeServer::~NativeServer() = default;

base::Result<std::uint16_t> NativeServer::start() { return implementation_->start(); }
void NativeServer::stop_accepting() { implementation_->server().stop_accepting(); }
awaitable<void> NativeServer::stop() { return implementation_->server().stop(); }

}  // namespace signet::web_bridge
