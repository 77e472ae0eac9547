#include "raw_xml.hpp"

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/xmltree.h>

#include <stdexcept>

#include "base/owned.hpp"

namespace signet::bench {
namespace {

using Document = base::Owned<xmlDoc, xmlFreeDoc>;
using Output = base::Owned<xmlOutputBuffer, xmlOutputBufferClose>;

void need(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("xmlsec: ") + what);
}

Document parse(std::string_view text) {
  Document document(
      xmlReadMemory(text.data(), static_cast<int>(text.size()), nullptr, nullptr, XML_PARSE_NONET | XML_PARSE_HUGE));
  need(document != nullptr, "not well-formed");
  return document;
}

}  // namespace

struct RawXmlsec::State {
  xmlSecKeysMngrPtr keys = nullptr;
};

RawXmlsec::RawXmlsec(const pki::Certificate& anchor) : state_(std::make_unique<State>()) {
  xmlInitParser();
  need(xmlSecInit() == 0 && xmlSecCryptoAppInit(nullptr) == 0 && xmlSecCryptoInit() == 0, "init");
  state_->keys = xmlSecKeysMngrCreate();
  need(state_->keys != nullptr && xmlSecCryptoAppDefaultKeysMngrInit(state_->keys) == 0, "keys");
  const base::BytesView der = anchor.der();
  need(xmlSecCryptoAppKeysMngrCertLoadMemory(state_->keys, der.data(), static_cast<xmlSecSize>(der.size()),
                                             xmlSecKeyDataFormatCertDer, xmlSecKeyDataTypeTrusted) == 0,
       "anchor");
}

RawXmlsec::~RawXmlsec() {
  xmlSecKeysMngrDestroy(state_->keys);
  xmlSecCryptoShutdown();
  xmlSecCryptoAppShutdown();
  xmlSecShutdown();
}

void RawXmlsec::verify(std::string_view text) const {
  const Document document = parse(text);
  xmlNode* const root = xmlDocGetRootElement(document.get());
  static const xmlChar id[] = "Id";
  const xmlChar* const ids[] = {id, nullptr};
  xmlSecAddIDs(document.get(), root, const_cast<const xmlChar**>(ids));
  xmlNode* const signature = xmlSecFindNode(root, xmlSecNodeSignature, xmlSecDSigNs);
  need(signature != nullptr, "no Signature");
  const base::Owned<xmlSecDSigCtx, xmlSecDSigCtxDestroy> context(xmlSecDSigCtxCreate(state_->keys));
  need(context != nullptr && xmlSecDSigCtxVerify(context.get(), signature) == 0, "verify");
  need(context->status == xmlSecDSigStatusSucceeded, "not valid");
}

void parse_and_canonicalize(std::string_view text) {
  const Document document = parse(text);
  const auto nowhere = [](void*, const char*, int size) { return size; };
  Output output(xmlOutputBufferCreateIO(nowhere, nullptr, nullptr, nullptr));
  need(output && xmlC14NExecute(document.get(), nullptr, nullptr, XML_C14N_EXCLUSIVE_1_0, nullptr, 0, output.get()) >= 0, "C14N");
}

}  // namespace signet::bench
