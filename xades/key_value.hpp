#pragma once

#include <openssl/evp.h>

#include "xml_document.hpp"

// A bare public key in KeyInfo: ds:RSAKeyValue (XML Signature 4.5.2.2), dsig11:ECKeyValue of a named curve (4.5.2.3) and
// dsig11:DEREncodedKeyValue (4.5.9). It says nothing of who signed: only whether the SignatureValue is that of the references.
namespace signet::xades {

using PublicKey = base::Owned<EVP_PKEY, EVP_PKEY_free>;

PublicKey key_value(const xmlNode* key_info);  // null if there is none that is read here

}  // namespace signet::xades
