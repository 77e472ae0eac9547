#include "openssl.hpp"

#include <openssl/pem.h>

#include <ctime>

namespace signet::pki {

std::unexpected<base::Error> openssl_failure(base::ErrorCode code, std::string detail) {
  return base::failure(code, std::move(detail), ERR_peek_last_error());
}

std::optional<base::Time> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;  // null would mean "now" to OpenSSL
  const std::chrono::year_month_day date{std::chrono::year{parts.tm_year + 1900},
                                         std::chrono::month{static_cast<unsigned>(parts.tm_mon + 1)},
                                         std::chrono::day{static_cast<unsigned>(parts.tm_mday)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{parts.tm_hour} + std::chrono::minutes{parts.tm_min} +
         std::chrono::seconds{parts.tm_sec};
}

void append_tlv(base::Bytes& out, int tag, int tag_class, base::BytesView content) {
  const int length = static_cast<int>(content.size());
  const int size = ASN1_object_size(1, length, tag);
  const std::size_t start = out.size();
  out.resize(start + static_cast<std::size_t>(size) - content.size());
  unsigned char* header = out.data() + start;
  ASN1_put_object(&header, 1, length, tag, tag_class);
  out.insert(out.end(), content.begin(), content.end());
}

bool looks_like_pem(base::BytesView file) { return base::as_text(file).find("-----BEGIN ") != std::string_view::npos; }

base::Result<std::vector<base::Bytes>> pem_blocks(base::BytesView text, const char* kind) {
  const ErrorQueue queue;
  if (text.size() > max_file_size) return base::failure(base::ErrorCode::parameter_invalid, "the file is too large");
  // OpenSSL asks for the pass phrase of an encrypted block on the terminal unless it is told that there is none.
  const auto no_pass_phrase = [](char*, int, int, void*) { return -1; };
  const Bio in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  std::vector<base::Bytes> blocks;
  while (in != nullptr) {
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_bytes_read_bio(&data, &size, nullptr, kind, in.get(), no_pass_phrase, nullptr) != 1) break;
    const base::Owned<unsigned char, free_bytes> owner{data};
    blocks.emplace_back(data, data + size);
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return openssl_failure(base::ErrorCode::parameter_invalid, std::string("a damaged PEM block of ") + kind);
  return blocks;
}

}  // namespace signet::pki
