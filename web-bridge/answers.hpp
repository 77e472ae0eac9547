#pragma once

#include <span>

#include "signing/batch.hpp"
#include "web_bridge/native_face.hpp"

// What the native protocol says, as JSON.
namespace signet::web_bridge {

std::string answer_text(std::uint64_t id, const base::Result<std::string>& result);
// To something that is no request: `"id":null`.
std::string answer_to_nothing(const base::Error& error);

std::string refused_event(const base::Error& error);
std::string waiting_event(std::string_view batch, const signing::Waiting& waiting);  // `batch` may be empty
// `tokens`, the agent's own JSON of a list, may be empty: it is left out.
std::string tokens_changed_event(bool present, std::string_view tokens);
std::string results_event(std::string_view batch, std::span<const signing::ItemResult> results);
std::string progress_event(std::string_view batch, const signing::BatchProgress& progress);

std::string hello_json(const NativeOptions& options);
std::string certificate_json(const signing::SigningCertificate& certificate);  // {"certificate":{…}}
std::string certificates_json(std::span<const signing::SigningCertificate> certificates);
std::string started_json(const signing::BatchProgress& progress, const signing::SigningCertificate& certificate);
std::string progress_json(const signing::BatchProgress& progress);

}  // namespace signet::web_bridge
