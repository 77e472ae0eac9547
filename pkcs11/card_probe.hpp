#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace signet::pkcs11 {

// Whether another program holds a card in one of the readers: connected to it exclusively, or in a transaction that has not ended
// after a moment. PKCS#11 does not tell, and PC/SC tells only by letting whoever asks wait: a process of its own is left waiting
// (`signet-token-host --card-held`), and ended. False also where there is no PC/SC, or none that answers. `slots`: what a module
// calls the slots that are meant, by Token::slot; where they name readers that are there, what happens in others does not count.
// Takes up to about a second and a half; hosts of our own that are busy with the card count as others. Not cancellable.
boost::asio::awaitable<bool> card_held(boost::asio::any_io_executor executor, std::string program,
                                       std::vector<std::string> slots = {});

}  // namespace signet::pkcs11
