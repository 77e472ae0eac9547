#pragma once

#include <filesystem>
#include <map>
#include <mutex>

#include "demo/tsa.hpp"
#include "portal/page_face.hpp"

namespace signet::portal {

// The instrument "sandbox": a CA, a TSA and signers of the portal's own, so that integrators can run their tests without tokens and
// people. Everything that it makes says TEST in its names. Any thread.
class Sandbox {
 public:
  // The folder keeps the CA's key, so that signatures verify after a restart; it is made at first. file_failed.
  static base::Result<std::unique_ptr<Sandbox>> open(const std::filesystem::path& folder, base::Time now);

  // What verifies its signatures.
  pki::TrustMaterial trust() const;
  // XAdES-B-T over each hash, by a signer with that IDNP.
  base::Result<std::vector<std::string>> sign(const std::vector<SandboxWish>& wishes, base::Time now);

 private:
  Sandbox(demo::Authority authority, demo::Identity tsa) : authority_(std::move(authority)), responder_(std::move(tsa), {}) {}

  mutable std::mutex mutex_;
  demo::Authority authority_;
  demo::TimeStampResponder responder_;
  std::map<std::string, demo::Identity> signers_;  // by IDNP
};

// Whether a certificate is one of tests: its subject says so. A sandbox starts beside no other anchors.
bool is_test_anchor(const pki::Certificate& certificate);
// Whether it is a sandbox's, which no production service accepts.
bool is_sandbox_anchor(const pki::Certificate& certificate);

}  // namespace signet::portal
