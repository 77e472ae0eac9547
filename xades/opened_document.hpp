#pragma once

#include <string>

#include "xml_document.hpp"

namespace signet::xades {

// A document of others that something is put into, read so that offsets in its text are known.
struct OpenedDocument {
  std::string text;      // without the mark
  std::size_t mark = 0;  // bytes of a byte order mark before it
  XmlDocument tree;
};

// message_invalid for another encoding than UTF-8, and else as XmlDocument::parse().
base::Result<OpenedDocument> opened(std::string_view document, const VerifyLimits& limits);

// As its start tag writes it.
std::string qualified_name(const xmlNode* element);

}  // namespace signet::xades
