#include "xades/stamp.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

#include "net/fetch.hpp"
#include "pki/time_stamp.hpp"

// Adds a time stamp to a signature that has none, so that others' tools can judge it: stamp SIGNATURE TSA-ADDRESS > STAMPED

using namespace signet;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  const auto plan = xades::plan_time_stamp(document, base::DigestAlgorithm::sha256, {});
  if (!plan) {
    std::cerr << plan.error().detail << '\n';
    return 1;
  }
  const auto request = pki::make_time_stamp_request(plan->imprint);
  const auto answer = net::fetch({.url = argv[2],
                                  .body = request.der,
                                  .content_type = "application/timestamp-query",
                                  .accept = "application/timestamp-reply"});
  const auto token = answer ? pki::read_time_stamp_response(answer->body, request)
                            : base::Result<pki::TimeStampToken>(std::unexpected(answer.error()));
  if (!token) {
    std::cerr << token.error().detail << '\n';
    return 1;
  }
  std::cout << xades::stamped(document, *plan, token->der);
  return std::cout.flush() ? 0 : 1;
}
