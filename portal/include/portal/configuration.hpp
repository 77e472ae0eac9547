#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/endpoint.hpp"
#include "net/fetch.hpp"
#include "net/http_server.hpp"
#include "portal/consumers.hpp"
#include "portal/store.hpp"
#include "service/revocation.hpp"
#include "service/time_stamps.hpp"

namespace signet::portal {

// The configuration of signet-portal, docs/portal-configuration.md describes every key. Paths are absolute after reading.
struct Configuration {
  std::string public_url;  // where people find the pages, without a slash at its end: "https://sign.example"
  std::string log_level = "info";
  std::chrono::milliseconds stop_timeout{30'000};  // what is under way when the service is told to stop may take so long

  struct Listener {
    std::vector<net::Endpoint> endpoints;
    std::optional<net::TlsFiles> tls;  // absent: plain HTTP, for a proxy in front
  };
  Listener api;         // asks for client certificates
  std::size_t api_threads = 0;  // 0: as many as there are processors, at most eight
  Listener pages;       // must never ask
  Listener operations;  // health, readiness, metrics; none if empty

  struct Proxies {
    std::vector<AddressRange> trusted;               // whose headers are believed
    std::string certificate_header;                  // in lower case; the client's certificate, PEM percent-encoded or base64 DER
    std::string address_header = "x-forwarded-for";  // the last address that is no trusted proxy counts
  } proxies;

  StoreOptions store{.database = "sqlite:/var/lib/signet-portal/portal.db"};

  struct Requests {
    std::chrono::seconds expire_after{3'600};
    std::chrono::seconds delete_after{7 * 86'400};  // contents and signatures, after the request's end
    bool allow_sha1 = false;
    std::size_t max_contents = 10'000;
  } requests;

  std::filesystem::path consumer_cas;  // PEM and DER: the CAs of system certificates, and their lists
  std::filesystem::path signer_trust;  // anchors, intermediates and lists for what people sign

  struct Instrument {
    std::string id;                 // "moldsign": what e-services name
    std::string kind;               // "token", "sandbox" or "mobile" (which only a sandbox simulates)
    std::filesystem::path issuers;  // token: only certificates issued by these; empty: any that is trusted
  };
  std::vector<Instrument> instruments;  // in the order in which people see them

  // Powers of representation, asked of MPower over mutual TLS. Without an address delegations are refused.
  struct Mpower {
    std::string url;  // up to /api: "https://mpower.example:8443/clients-api"
    net::FetchTls tls;
    std::map<int, std::string> roles;  // DelegatedRoleID to AuthorizationTypeCode: 12 = "AT-0000123"
    std::chrono::milliseconds timeout{10'000};
  } mpower;

  service::RevocationServices::Options revocation;  // of lists that the folder of trust does not have
  // Who stamps signatures that come without a time stamp; nobody: they are refused. A page waits for all tries.
  service::TimeStamping time_stamping{.urls = {}, .timeout = std::chrono::seconds{5}, .tries = 2};

  std::string install_url;  // where people get the agent

  // Signs by itself, with keys of its own that are kept in this folder: for integrators' tests, never beside real anchors.
  // Empty: no sandbox.
  std::filesystem::path sandbox;
};

// configuration_invalid names the file, the line and what is wrong; unknown keys are wrong.
base::Result<Configuration> read_configuration(const std::filesystem::path& file);
base::Result<Configuration> parse_configuration(std::string_view toml, const std::string& file_name);

// $SIGNET_PORTAL_CONFIG, then /etc/signet/portal.toml.
std::filesystem::path default_configuration();

}  // namespace signet::portal
