#pragma once

#include <string>

#include "base/bytes.hpp"

namespace signet::xades {

// Markup around something, in exclusive canonical form: the same where a document is written and where one that others wrote gets
// a further property.
struct Markup {
  std::string before, after;
};

// What unsigned properties stand in: the further out, the more of it must be written.
enum class PropertyPlace : std::uint8_t { qualifying_properties, unsigned_properties, unsigned_signature_properties };

// The elements that are missing around unsigned properties of the signature, none where they are there. `declarations`: of the
// prefixes xades and ds, for the outermost element, where they are not in scope; where no element is missing they belong to each
// property.
Markup around_properties(PropertyPlace place, std::string_view declarations);

// A time stamp as a property of this name, around its token's base64. `method_declarations`: where ds is first used within.
Markup time_stamp_markup(std::string_view qualified_name, std::string_view declarations, std::string_view method_declarations = {});

// A ds:Object that holds octets in base64, within a ds:Signature. `id`: an NCName.
void append_base64_object(std::string& out, std::string_view id, base::BytesView content);

}  // namespace signet::xades
