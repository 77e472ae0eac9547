#pragma once

#include <functional>

#include "host/sessions.hpp"
#include "wire.hpp"

namespace signet::pkcs11::host {

struct Signed {
  std::vector<base::Bytes> signatures;  // in the order of the digests, up to the first failure
  std::optional<Failure> failure;
};

// Signs each digest with a key that was found before. `between` is called after each signature and may take what was made so
// far out of the list (to send it); false stops the loop.
Signed sign_each(CK_FUNCTION_LIST& p11, const OpenKey& key, const wire::SignRequest& request, base::BytesView context_pin,
                 const std::function<bool(std::vector<base::Bytes>&)>& between);

}  // namespace signet::pkcs11::host
