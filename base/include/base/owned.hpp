#pragma once

#include <memory>

namespace signet::base {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

// A C handle, owned on the line where it is born: `Owned<X509, X509_free> certificate{d2i_X509(...)};`
template <class T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;

}  // namespace signet::base
