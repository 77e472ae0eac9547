#pragma once

#include "agent/command/judging.hpp"
#include "service/time_stamps.hpp"

namespace signet::agent {

// One signature of a document, raised step by step: each step is judged before the next, so that nothing is made that does not
// hold. Blocks while authorities are asked.
class Raise {
 public:
  // `signature`: counted from 0 in document order. The judge has what is needed to judge it: trust, and content that is detached.
  Raise(Judge& judge, service::TimeStamps& authorities, std::size_t signature, std::string document);

  // To this level, or further where it is there already: a further archive time stamp is what keeps an old one alive.
  // parameter_invalid, with what is lacking, where it does not come there.
  base::Result<void> to(xades::Level level);

  // Why it did not come there, for a person in the thread's language; "" where the error's code says enough.
  const std::string& said() const { return said_; }

  const std::string& document() const { return document_; }
  bool changed() const { return changed_; }
  const xades::SignatureReport& report() const { return report_; }

 private:
  base::Result<void> look();
  bool has_time_stamp() const;
  bool is_past_help() const;
  base::Result<void> stamp(bool archive);
  base::Result<void> add_validation_data();
  std::unexpected<base::Error> not_reached(xades::Level level);
  bool lacks_content() const;

  Judge& judge_;
  service::TimeStamps& authorities_;
  std::size_t signature_;
  std::string document_;
  xades::SignatureReport report_;
  std::string said_;
  bool changed_ = false;
};

}  // namespace signet::agent
