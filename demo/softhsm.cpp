#include "demo/softhsm.hpp"

#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "base/owned.hpp"

namespace signet::demo {
namespace {

using base::Bytes;
using base::BytesView;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("SoftHSM: " + what); }

// Forks, and runs `work` there with the PIN, which comes through a pipe because a Secret is empty in a forked child.
void in_child(BytesView pin, const std::function<void(Bytes)>& work) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(ends[1]);
    Bytes received(256);
    received.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(ends[0], received.data(), received.size()))));
    try {
      work(std::move(received));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      _exit(1);
    }
    _exit(0);
  }
  close(ends[0]);
  const bool written = write(ends[1], pin.data(), pin.size()) == static_cast<ssize_t>(pin.size());
  close(ends[1]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!written || !WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("the child failed");
}

void check(CK_RV ck_rv, const char* function) {
  if (ck_rv != CKR_OK) fail(std::string(function) + ": CK_RV " + std::to_string(ck_rv));
}

CK_FUNCTION_LIST& initialised() {
  void* const handle = dlopen(SoftHsm::module, RTLD_NOW);
  if (handle == nullptr) fail(dlerror());
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* list = nullptr;
  check(get(&list), "C_GetFunctionList");
  check(list->C_Initialize(nullptr), "C_Initialize");
  return *list;
}

unsigned char* so_pin_bytes() { return reinterpret_cast<unsigned char*>(const_cast<char*>(SoftHsm::so_pin)); }

CK_SLOT_ID slot_of(CK_FUNCTION_LIST& p11, CK_FLAGS flags_that_are_set) {
  std::array<CK_SLOT_ID, 16> slots{};
  CK_ULONG count = slots.size();
  check(p11.C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    check(p11.C_GetTokenInfo(slots.at(i), &info), "C_GetTokenInfo");
    if ((info.flags & CKF_TOKEN_INITIALIZED) == flags_that_are_set) return slots.at(i);
  }
  fail("no such slot");
}

CK_SESSION_HANDLE session_of(CK_FUNCTION_LIST& p11, CK_SLOT_ID slot) {
  CK_SESSION_HANDLE session = 0;
  check(p11.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), "C_OpenSession");
  return session;
}

// A template whose values live as long as it does.
class Template {
 public:
  Template& with(CK_ATTRIBUTE_TYPE type, BytesView value) {
    values_.emplace_back(value.begin(), value.end());
    types_.push_back(type);
    return *this;
  }
  Template& with(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    return with(type, BytesView(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
  }
  Template& yes(CK_ATTRIBUTE_TYPE type) { return with(type, std::array<std::uint8_t, 1>{CK_TRUE}); }
  Template& no(CK_ATTRIBUTE_TYPE type) { return with(type, std::array<std::uint8_t, 1>{CK_FALSE}); }

  void create(CK_FUNCTION_LIST& p11, CK_SESSION_HANDLE session) {
    std::vector<CK_ATTRIBUTE> attributes;
    for (std::size_t i = 0; i < types_.size(); ++i) attributes.push_back({types_[i], values_[i].data(), values_[i].size()});
    CK_OBJECT_HANDLE handle = 0;
    check(p11.C_CreateObject(session, attributes.data(), attributes.size(), &handle), "C_CreateObject");
  }

 private:
  std::vector<CK_ATTRIBUTE_TYPE> types_;
  std::vector<Bytes> values_;
};

Bytes number(EVP_PKEY* key, const char* parameter, std::size_t size = 0) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(key, parameter, &value) != 1) fail(parameter);
  Bytes out(std::max<std::size_t>(size, static_cast<std::size_t>(BN_num_bytes(value))));
  BN_bn2binpad(value, out.data(), static_cast<int>(out.size()));
  BN_clear_free(value);
  return out;
}

template <class T, class Encode>
Bytes encoded(T* object, Encode encode) {
  unsigned char* out = nullptr;
  const int size = encode(object, &out);
  if (size <= 0) fail("DER");
  Bytes bytes(out, out + size);
  OPENSSL_free(out);
  return bytes;
}

void add_rsa(EVP_PKEY* key, Template& private_key, Template& public_key) {
  for (Template* each : {&private_key, &public_key}) {
    each->with(CKA_KEY_TYPE, CKK_RSA);
    each->with(CKA_MODULUS, number(key, OSSL_PKEY_PARAM_RSA_N));
    each->with(CKA_PUBLIC_EXPONENT, number(key, OSSL_PKEY_PARAM_RSA_E));
  }
  private_key.with(CKA_PRIVATE_EXPONENT, number(key, OSSL_PKEY_PARAM_RSA_D))
      .with(CKA_PRIME_1, number(key, OSSL_PKEY_PARAM_RSA_FACTOR1))
      .with(CKA_PRIME_2, number(key, OSSL_PKEY_PARAM_RSA_FACTOR2))
      .with(CKA_EXPONENT_1, number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1))
      .with(CKA_EXPONENT_2, number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2))
      .with(CKA_COEFFICIENT, number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1));
}

void add_ec(EVP_PKEY* key, Template& private_key, Template& public_key) {
  std::array<char, 32> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) fail("group");
  const base::Owned<ASN1_OBJECT, ASN1_OBJECT_free> curve{OBJ_nid2obj(OBJ_sn2nid(group.data()))};
  const Bytes parameters = encoded(curve.get(), i2d_ASN1_OBJECT);
  std::array<std::uint8_t, 256> point{};
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) != 1) fail("point");
  const base::Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> wrapped{ASN1_OCTET_STRING_new()};
  ASN1_OCTET_STRING_set(wrapped.get(), point.data(), static_cast<int>(size));
  for (Template* each : {&private_key, &public_key}) each->with(CKA_KEY_TYPE, CKK_EC).with(CKA_EC_PARAMS, parameters);
  private_key.with(CKA_VALUE, number(key, OSSL_PKEY_PARAM_PRIV_KEY, static_cast<std::size_t>(EVP_PKEY_get_bits(key) + 7) / 8));
  public_key.with(CKA_EC_POINT, encoded(wrapped.get(), i2d_ASN1_OCTET_STRING));
}

}  // namespace

SoftHsm SoftHsm::make(BytesView pin, const std::string& label) {
  std::string folder = (std::filesystem::temp_directory_path() / "signet-softhsm-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) fail("mkdtemp");
  SoftHsm hsm = make_in(folder, pin, label);
  hsm.kept_ = false;
  return hsm;
}

SoftHsm SoftHsm::make_in(const std::filesystem::path& folder, BytesView pin, const std::string& label) {
  SoftHsm hsm{folder};
  std::filesystem::remove_all(hsm.folder_ / "tokens");
  std::filesystem::create_directories(hsm.folder_ / "tokens");
  std::ofstream(hsm.folder_ / "softhsm2.conf") << "directories.tokendir = " << (hsm.folder_ / "tokens").string() << '\n'
                                               << "objectstore.backend = file\n"
                                                  "log.level = ERROR\n"
                                                  "slots.removable = true\n";
  hsm.use();
  in_child(pin, [&](Bytes user_pin) {
    CK_FUNCTION_LIST& p11 = initialised();
    std::array<unsigned char, 32> padded{};
    padded.fill(' ');
    std::copy_n(label.begin(), std::min(label.size(), padded.size()), padded.begin());
    check(p11.C_InitToken(slot_of(p11, 0), so_pin_bytes(), std::strlen(SoftHsm::so_pin), padded.data()), "C_InitToken");
    const CK_SESSION_HANDLE session = session_of(p11, slot_of(p11, CKF_TOKEN_INITIALIZED));
    check(p11.C_Login(session, CKU_SO, so_pin_bytes(), std::strlen(SoftHsm::so_pin)), "C_Login");
    check(p11.C_InitPIN(session, user_pin.data(), user_pin.size()), "C_InitPIN");
    p11.C_Finalize(nullptr);
  });
  return hsm;
}

SoftHsm::~SoftHsm() {
  if (folder_.empty() || kept_) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void SoftHsm::use() const { setenv("SOFTHSM2_CONF", (folder_ / "softhsm2.conf").c_str(), 1); }

void SoftHsm::import(BytesView cka_id, const std::string& label, EVP_PKEY* key, BytesView certificate_der,
                     Authentication authentication, BytesView pin) const {
  use();
  in_child(pin, [&](Bytes user_pin) {
    CK_FUNCTION_LIST& p11 = initialised();
    const CK_SESSION_HANDLE session = session_of(p11, slot_of(p11, CKF_TOKEN_INITIALIZED));
    check(p11.C_Login(session, CKU_USER, user_pin.data(), user_pin.size()), "C_Login");

    Template private_key, public_key, certificate;
    for (Template* each : {&private_key, &public_key, &certificate})
      each->yes(CKA_TOKEN).with(CKA_ID, cka_id).with(CKA_LABEL, base::as_bytes(label));
    private_key.with(CKA_CLASS, CKO_PRIVATE_KEY).yes(CKA_PRIVATE).yes(CKA_SENSITIVE).yes(CKA_SIGN);
    public_key.with(CKA_CLASS, CKO_PUBLIC_KEY).no(CKA_PRIVATE).yes(CKA_VERIFY);
    if (authentication == Authentication::always) private_key.yes(CKA_ALWAYS_AUTHENTICATE);
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
      add_rsa(key, private_key, public_key);
    } else {
      add_ec(key, private_key, public_key);
    }
    private_key.create(p11, session);
    public_key.create(p11, session);
    if (!certificate_der.empty()) {
      const unsigned char* in = certificate_der.data();
      const base::Owned<X509, X509_free> parsed{d2i_X509(nullptr, &in, static_cast<long>(certificate_der.size()))};
      if (parsed == nullptr) fail("no certificate");
      certificate.with(CKA_CLASS, CKO_CERTIFICATE)
          .with(CKA_CERTIFICATE_TYPE, CKC_X_509)
          .no(CKA_PRIVATE)
          .with(CKA_SUBJECT, encoded(X509_get_subject_name(parsed.get()), i2d_X509_NAME))
          .with(CKA_VALUE, certificate_der)
          .create(p11, session);
    }
    p11.C_Finalize(nullptr);
  });
}

}  // namespace signet::demo
