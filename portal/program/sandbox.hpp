#pragma once

#include <filesystem>
#include <map>
#include <mutex>

#include "demo/tsa.hpp"
#include "portal/page_face.hpp"

namespace signet::portal {

// The instrument "sandbox": a CA, a TSA and signers of the portal's own, so that integrators can run their tests without tokens
// and people. Everything that it makes says TEST in its names. Any thread.
class Sandbox {
 public:
  // The folder keeps the CA's key, so that signatures verify after a restart; it is made at first. Its list is written to
  // lists/sandbox-ca.crl.pem, for others' tools: in the folder itself it would also be one of system certificates. file_failed.
  static base::Result<std::unique_ptr<Sandbox>> open(const std::filesystem::path& folder, base::Time now);

  // The list and the certificates of the TSA and the signers are made anew long before they end. Whether that was due: then
  // trust() has a new list.
  base::Result<bool> renew(base::Time now);
  // What verifies its signatures.
  pki::TrustMaterial trust() const;
  // XAdES-B-T over each hash, by a signer with that IDNP.
  base::Result<std::vector<std::string>> sign(const std::vector<SandboxWish>& wishes, base::Time now);

 private:
  // What the CA made at one time.
  struct Made {
    base::Time at;
    demo::Authority authority;
    demo::TimeStampResponder responder;
    pki::Crl list;
    std::map<std::string, demo::Identity> signers = {};  // by IDNP
  };
  static Made make(const demo::Identity& root, base::Time now, const std::filesystem::path& folder);
  Sandbox(std::filesystem::path folder, Made made) : folder_(std::move(folder)), made_(std::move(made)) {}

  const std::filesystem::path folder_;
  mutable std::mutex mutex_;
  Made made_;
};

// Whether a certificate is one of tests: its subject says so. A sandbox starts beside no other anchors.
bool is_test_anchor(const pki::Certificate& certificate);
// Whether it is a sandbox's, which no production service accepts.
bool is_sandbox_anchor(const pki::Certificate& certificate);

}  // namespace signet::portal
