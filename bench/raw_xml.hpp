#pragma once

#include <memory>
#include <string_view>

#include "pki/certificate.hpp"

namespace signet::bench {

// libxmlsec1 as a program of others would use it to verify: parse, find the Signature, register the Ids, take the key from KeyInfo,
// build its chain to the anchor, verify. One thread; throws where the library cannot be had or does not find a signature valid.
class RawXmlsec {
 public:
  explicit RawXmlsec(const pki::Certificate& anchor);
  ~RawXmlsec();
  RawXmlsec(const RawXmlsec&) = delete;  // owns the library's state
  RawXmlsec& operator=(const RawXmlsec&) = delete;
  void verify(std::string_view document) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// libxml2's parse of a document and its exclusive canonical form, which goes nowhere. Throws for what is not well-formed.
void parse_and_canonicalize(std::string_view document);

}  // namespace signet::bench
