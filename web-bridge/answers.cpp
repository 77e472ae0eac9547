#include "answers.hpp"

#include "base/text.hpp"
#include "web_bridge/json.hpp"

namespace signet::web_bridge {
namespace {

constexpr std::size_t shown_detail = 300;
constexpr std::size_t shown_name = 1'000;

void append_error(std::string& out, const base::Error& error) {
  JsonObject object(out);
  object.text("code", name(error.code));
  const std::string_view who[] = {"person", "caller", "machine", "us"};
  object.text("who", who[static_cast<std::size_t>(who_acts(error.code))]);
  object.text("message", base::shown(error.detail, shown_detail));
  if (error.tries_left) object.number("tries_left", std::size_t{*error.tries_left});
  if (error.tries_left == 1U) object.flag("final_try", true);
}

void append_event(std::string& out, std::string_view event, auto params) {
  JsonObject object(out);
  object.text("event", event);
  JsonObject inner(object.member("params"));
  params(inner);
}

std::string_view name_of(signing::Waiting::For what) {
  switch (what) {
    case signing::Waiting::For::certificate:
      return "certificate";
    case signing::Waiting::For::consent:
      return "consent";
    case signing::Waiting::For::pin:
      return "pin";
    case signing::Waiting::For::reader:
      break;
  }
  return "reader";
}

std::string_view name_of(signing::SigningCertificate::Validity validity) {
  switch (validity) {
    case signing::SigningCertificate::Validity::valid:
      return "valid";
    case signing::SigningCertificate::Validity::expires_soon:
      return "expires_soon";
    case signing::SigningCertificate::Validity::not_yet_valid:
      return "not_yet_valid";
    case signing::SigningCertificate::Validity::expired:
      break;
  }
  return "expired";
}

void append_validity(JsonObject& object, const signing::SigningCertificate& certificate) {
  object.text("validity", name_of(certificate.validity)).number("days_left", std::int64_t{certificate.left.count()});
}

void append_certificate(JsonObject& object, const signing::SigningCertificate& certificate) {
  object.text("id", certificate.id())
      .text("der", base::base64(certificate.certificate.der()))
      .text("subject", base::shown(certificate.certificate.subject(), shown_name))
      .text("issuer", base::shown(certificate.certificate.issuer(), shown_name))
      .text("not_before", base::rfc3339(certificate.certificate.not_before()))
      .text("not_after", base::rfc3339(certificate.certificate.not_after()));
  append_validity(object, certificate);
}

void append_progress(JsonObject& object, const signing::BatchProgress& progress) {
  object.text("state", name(progress.state))
      .number("total", progress.total)
      .number("signed", progress.signed_count)
      .number("ready", progress.ready)
      .number("results", progress.results)
      .number("time_stamps_missing", progress.time_stamps_missing)
      .number("acknowledged", static_cast<std::size_t>(progress.acknowledged));
  if (progress.remaining) object.number("remaining_s", static_cast<std::int64_t>(progress.remaining->count()));
  if (progress.error) append_error(object.member("error"), *progress.error);
}

}  // namespace

std::string answer_text(std::uint64_t id, const base::Result<std::string>& result) {
  std::string out;
  JsonObject object(out);
  object.number("id", static_cast<std::size_t>(id));
  if (result) {
    object.json("result", *result);
  } else {
    append_error(object.member("error"), result.error());
  }
  object.end();
  return out;
}

std::string answer_to_nothing(const base::Error& error) {
  std::string out;
  JsonObject object(out);
  object.json("id", "null");
  append_error(object.member("error"), error);
  object.end();
  return out;
}

std::string refused_event(const base::Error& error) {
  std::string out;
  append_event(out, "refused", [&](JsonObject& params) {
    params.text("code", name(error.code)).text("message", base::shown(error.detail, shown_detail));
  });
  return out;
}

std::string waiting_event(std::string_view batch, const signing::Waiting& waiting) {
  std::string out;
  append_event(out, batch.empty() ? "waiting" : "batch.waiting", [&](JsonObject& params) {
    if (!batch.empty()) params.text("batch", batch);
    params.text("what", name_of(waiting.what)).text("until", base::rfc3339(waiting.until));
  });
  return out;
}

std::string tokens_changed_event(bool present, std::string_view tokens) {
  std::string out;
  append_event(out, "tokens.changed", [&](JsonObject& params) {
    params.flag("present", present);
    if (!tokens.empty()) params.json("list", tokens);
  });
  return out;
}

std::string results_event(std::string_view batch, std::span<const signing::ItemResult> results) {
  std::size_t size = 200;
  for (const auto& result : results) size += result.document.size() + result.document.size() / 16 + 200;
  std::string out;
  out.reserve(size);
  append_event(out, "batch.results", [&](JsonObject& params) {
    params.text("batch", batch);
    std::string& list = params.member("results");
    list += '[';
    for (const auto& result : results) {
      if (&result != results.data()) list += ',';
      JsonObject object(list);
      object.number("seq", static_cast<std::size_t>(result.sequence)).text("id", result.id);
      if (result.error) {
        append_error(object.member("error"), *result.error);
      } else {
        object.text("level", name(result.level)).text("signature", result.document);
      }
      if (result.time_stamp_error) append_error(object.member("time_stamp_error"), *result.time_stamp_error);
    }
    list += ']';
  });
  return out;
}

std::string progress_event(std::string_view batch, const signing::BatchProgress& progress) {
  std::string out;
  append_event(out, "batch.progress", [&](JsonObject& params) {
    params.text("batch", batch);
    append_progress(params, progress);
  });
  return out;
}

std::string hello_json(const NativeOptions& options) {
  const NativeLimits& limits = options.limits;
  std::string out;
  JsonObject object(out);
  object.number("protocol", std::size_t{1}).text("agent", "signet").text("version", options.version);
  {
    JsonObject abilities(object.member("abilities"));
    abilities.json("levels", options.time_stamps == NativeOptions::TimeStamps::configured ? R"(["b","t"])" : R"(["b"])")
        .json("packagings", R"(["detached","enveloping","enveloping-file","enveloping-xml","enveloped"])")
        .json("digests", R"(["sha256","sha384","sha512"])")
        .flag("together", true)
        .flag("pss", true);
  }
  {
    JsonObject told(object.member("limits"));
    told.number("message_bytes", limits.message_bytes)
        .number("part_items", limits.part_items)
        .number("batch_items", limits.batch_items)
        .number("id_bytes", limits.id_bytes)
        .number("name_bytes", limits.name_bytes)
        .number("purpose_bytes", limits.purpose_bytes)
        .number("unacknowledged", limits.unacknowledged);
  }
  object.end();
  return out;
}

std::string certificate_json(const signing::SigningCertificate& certificate) {
  std::string out;
  JsonObject object(out);
  {
    JsonObject inner(object.member("certificate"));
    append_certificate(inner, certificate);
  }
  object.end();
  return out;
}

std::string certificates_json(std::span<const signing::SigningCertificate> certificates) {
  std::string out;
  JsonObject object(out);
  std::string& list = object.member("certificates");
  list += '[';
  for (const auto& certificate : certificates) {
    if (&certificate != certificates.data()) list += ',';
    JsonObject inner(list);
    append_certificate(inner, certificate);
    inner.text("token", base::shown(certificate.place.token.label, shown_name));
  }
  list += ']';
  object.end();
  return out;
}

std::string started_json(const signing::BatchProgress& progress, const signing::SigningCertificate& certificate) {
  std::string out;
  JsonObject object(out);
  object.text("state", name(progress.state));
  {
    JsonObject inner(object.member("certificate"));
    inner.text("id", certificate.id());
    append_validity(inner, certificate);
  }
  object.end();
  return out;
}

std::string progress_json(const signing::BatchProgress& progress) {
  std::string out;
  JsonObject object(out);
  append_progress(object, progress);
  object.end();
  return out;
}

}  // namespace signet::web_bridge
