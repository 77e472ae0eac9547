#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>

// Which hosts a stranger may have us call.
namespace signet::net {

// RFC 6890, and what IPv6 carries of IPv4: nothing that only this machine or its own network can reach.
bool is_public(const boost::asio::ip::address& address);

// Whether a URL's host, as libcurl normalizes it (brackets around IPv6), may lead to a public address as far as its text says: no
// literal of another one, no name of this machine, nothing outside ASCII, which would be mapped to something else later. What another
// name resolves to only who resolves it can tell.
bool may_be_public(std::string_view host);

// The proxy that the environment has for it, as libcurl reads it (http_proxy, https_proxy, all_proxy, no_proxy); empty: none.
std::string proxy_for(std::string_view scheme, std::string_view host);

}  // namespace signet::net
