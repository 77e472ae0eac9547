#pragma once

#include <string>

namespace signet::xades {

// The markup around a TimeStampToken, in exclusive canonical form: the same where a document is written and where one that others
// wrote gets its time stamp.
struct StampMarkup {
  std::string before, after;
};

// What the markup stands in: the further out, the more of it there is.
enum class StampPlace : std::uint8_t { qualifying_properties, unsigned_properties, unsigned_signature_properties };

// `declarations`: of the prefixes xades and ds, for the outermost element, where they are not in scope.
StampMarkup stamp_markup(StampPlace place, std::string_view declarations);

}  // namespace signet::xades
