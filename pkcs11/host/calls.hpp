#pragma once

#include <p11-kit/pkcs11.h>

#include "call_page.hpp"

namespace signet::pkcs11::host {

// Maps the agent's page and closes its descriptor. Before any call of the module.
bool map_call_page(int descriptor);

// The module's functions, each noting itself in the page while it runs; what the module lacks is lacking here. libp11 gets the
// same list: this program has a C_GetFunctionList of its own, which gives it.
CK_FUNCTION_LIST* noted(const CK_FUNCTION_LIST& of_module);

// This thread's calls are noted as those of the thread that waits for events.
void note_as_events();
void note_self_end(SelfEnd why);

}  // namespace signet::pkcs11::host
