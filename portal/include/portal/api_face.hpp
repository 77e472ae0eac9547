#pragma once

#include <functional>

#include "net/http_server.hpp"
#include "portal/configuration.hpp"
#include "portal/identity.hpp"
#include "portal/rules.hpp"
#include "portal/soap.hpp"
#include "portal/store.hpp"
#include "service/event_log.hpp"

namespace signet::portal {

// What the API's face does not do by itself.
struct ApiPorts {
  Store* store = nullptr;
  Identity* identity = nullptr;
  std::function<base::Time()> now;
  // read_call() on a worker, for bodies that take long.
  std::function<boost::asio::awaitable<std::expected<Call, Fault>>(std::string body, std::string soap_action)> read_large;
  // VerifySignatures of a request that the rules have let pass; nothing where too many wait already. Absent: a fault of the
  // server.
  std::function<boost::asio::awaitable<std::optional<VerificationResponse>>(VerificationRequest request, Language language)>
      verify;
  // Whether a delegation of the expected signer holds; empty if it does. Absent: delegations are refused.
  std::function<boost::asio::awaitable<std::optional<Fault>>(ExpectedSigner signer)> check_delegation;
  // The words of a failure or an expiry, at most 100 characters.
  std::function<std::string(SignStatus status, const std::string& reason, Language language)> message;
  // One line for each call: operation, consumer, outcome. Never who is expected to sign, nor what.
  std::function<void(std::string_view event, const service::EventFields& fields)> on_event;
};

// `/MSign.svc`: the SOAP side of the portal, and its contract by GET. Any thread, its ports too; outlives the server.
class ApiFace {
 public:
  struct Options {
    std::string endpoint;  // the address of the API as callers know it, for the WSDL; empty: as the Host of the request says
    Configuration::Proxies proxies;
    Configuration::Requests requests;
    SoapLimits limits;
    bool sandbox = false;  // serves consumers of the test environment alone
  };
  ApiFace(Options options, ApiPorts ports) : options_(std::move(options)), ports_(std::move(ports)) {}

  boost::asio::awaitable<net::HttpResponse> answer(net::HttpRequest request);
  // How much is read of whoever begins to send something: strangers get their fault for a message of usual size, and no memory.
  std::size_t body_bytes(const net::HttpRequest& head) const;

 private:
  struct Caller {
    base::Bytes certificate;  // DER; empty if there is none
    boost::asio::ip::address address;
  };
  Caller caller(const net::HttpRequest& request) const;
  net::HttpResponse contract(const net::HttpRequest& request) const;
  boost::asio::awaitable<std::expected<std::string, Fault>> call(const net::HttpRequest& request);
  boost::asio::awaitable<std::expected<std::string, Fault>> post(std::string consumer_id, SignRequest request);
  boost::asio::awaitable<std::expected<std::string, Fault>> get(std::string consumer_id, GetSignResponse request);
  boost::asio::awaitable<std::expected<std::string, Fault>> verify(VerificationRequest request);

  Options options_;
  ApiPorts ports_;
};

}  // namespace signet::portal
