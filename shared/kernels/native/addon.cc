// The kernels as a Node-API addon: sets() and bind(set, memory).
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

namespace {

struct Set {
  const char* name;
  const Kernel* kernels;
  bool isSupported;
};

constexpr int setCount = 2;

/** The instruction sets of this build, best first, ended by one without a name. */
void listSets(Set (&sets)[setCount + 1]) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool hasAvx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool hasAvx512 = hasAvx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  sets[0] = {"avx512", avx512Kernels, hasAvx512};
  sets[1] = {"avx2", avx2Kernels, hasAvx2};
  sets[2] = {};
#elif defined(__aarch64__)
  sets[0] = {"neon", neonKernels, true};
  sets[1] = {};
#else
#error "no kernels for this processor"
#endif
}

/** A kernel over a memory: what a JavaScript function of ours carries. */
struct Bound {
  uint8_t* memory;
  const Kernel* kernel;
};

napi_value fail(napi_env env, const char* message) {
  napi_throw_error(env, nullptr, message);
  return nullptr;
}

napi_value callKernel(napi_env env, napi_callback_info info) {
  napi_value values[mostArguments];
  size_t count = mostArguments;
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  const Bound* bound = static_cast<Bound*>(data);
  double arguments[mostArguments];
  for (int i = 0; i < bound->kernel->arguments; i++) {
    if (napi_get_value_double(env, values[i], &arguments[i]) != napi_ok) {
      return fail(env, "a kernel takes numbers");
    }
  }
  const double result = bound->kernel->call(bound->memory, arguments);
  napi_value returned = nullptr;
  if (bound->kernel->returns) napi_create_double(env, result, &returned);
  return returned;
}

napi_value sets(napi_env env, napi_callback_info) {
  Set all[setCount + 1];
  listSets(all);
  napi_value names;
  napi_create_array(env, &names);
  uint32_t count = 0;
  for (const Set* set = all; set->name != nullptr; set++) {
    if (!set->isSupported) continue;
    napi_value name;
    napi_create_string_utf8(env, set->name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, count++, name);
  }
  return names;
}

const Kernel* findKernels(const char* name) {
  Set all[setCount + 1];
  listSets(all);
  for (const Set* set = all; set->name != nullptr; set++) {
    if (set->isSupported && strcmp(set->name, name) == 0) return set->kernels;
  }
  return nullptr;
}

void freeBound(napi_env, void* data, void*) { free(data); }

/** Gives the object a kernel's function, which keeps the memory alive. */
napi_status addFunction(napi_env env, napi_value object, napi_value memory, Bound* bound) {
  const char* name = bound->kernel->name;
  napi_value function;
  napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, callKernel, bound, &function);
  if (status == napi_ok) status = napi_set_named_property(env, function, "memory", memory);
  if (status == napi_ok) status = napi_set_named_property(env, object, name, function);
  return status;
}

/** An object with a function for each kernel. Each keeps the memory alive, and the memory what they carry. */
napi_value bind(napi_env env, napi_callback_info info) {
  napi_value values[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  char name[16];
  if (napi_get_value_string_utf8(env, values[0], name, sizeof(name), nullptr) != napi_ok) {
    return fail(env, "bind takes the name of an instruction set");
  }
  const Kernel* kernels = findKernels(name);
  if (kernels == nullptr) return fail(env, "bind got an instruction set that this processor does not have");
  napi_typedarray_type type;
  void* memory;
  if (napi_get_typedarray_info(env, values[1], &type, nullptr, &memory, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return fail(env, "bind takes a Uint8Array over the memory");
  }
  size_t length = 0;
  while (kernels[length].name != nullptr) length++;
  Bound* bound = static_cast<Bound*>(malloc(length * sizeof(Bound)));
  if (bound == nullptr) return fail(env, "out of memory");
  if (napi_add_finalizer(env, values[1], bound, freeBound, nullptr, nullptr) != napi_ok) {
    free(bound);
    return fail(env, "the memory cannot be watched");
  }
  // From here on the finalizer frees what is bound, also where this fails.
  napi_value object;
  napi_status status = napi_create_object(env, &object);
  for (size_t i = 0; status == napi_ok && i < length; i++) {
    bound[i] = {static_cast<uint8_t*>(memory), &kernels[i]};
    status = addFunction(env, object, values[1], &bound[i]);
  }
  // Where an exception is the reason, it stays the one that is thrown.
  if (status != napi_ok) return fail(env, "the kernels cannot be bound");
  return object;
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor properties[] = {
      {"sets", nullptr, sets, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"bind", nullptr, bind, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof(properties) / sizeof(properties[0]), properties);
  return exports;
}
