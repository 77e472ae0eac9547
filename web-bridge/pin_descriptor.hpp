#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/secret.hpp"
#include "net/descriptor.hpp"

namespace signet::web_bridge {

// Reads a PIN from a descriptor that came over the control socket, up to its first line end: straight into locked memory.
// user_cancelled if it is empty, parameter_invalid if it is too long or does not come in time, file_failed.
boost::asio::awaitable<base::Result<base::Secret>> read_pin(boost::asio::any_io_executor executor, net::Descriptor descriptor,
                                                            std::chrono::milliseconds timeout);
// The same for two lines, at most 256 bytes together.
boost::asio::awaitable<base::Result<std::pair<base::Secret, base::Secret>>> read_two_pins(boost::asio::any_io_executor executor,
                                                                                          net::Descriptor descriptor,
                                                                                          std::chrono::milliseconds timeout);

}  // namespace signet::web_bridge
