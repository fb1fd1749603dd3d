// How a kernel is called from outside: its arguments are numbers, as JavaScript has them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <type_traits>
#include <utility>

/** Numbers that a kernel takes, at most. */
constexpr size_t mostArguments = 18;

/** A kernel by name; `call` takes so many numbers: byte offsets into the memory, strides, counts, values. */
struct Kernel {
  const char* name;
  int arguments;
  bool returns;
  double (*call)(uint8_t* memory, const double* arguments);
};

/** The kernels of one instruction set, ended by one without a name. */
extern const Kernel avx512Kernels[];
extern const Kernel avx2Kernels[];
extern const Kernel neonKernels[];

// What was compiled for one instruction set must not be linked into another's object, so all of it is local.
namespace lockstep {
namespace {

/** A stride in bytes. */
using Bytes = uint32_t;

/** A pointer that is null where the offset is 0. */
template <class T>
struct Optional {
  T* pointer;
};

template <class T>
struct Argument {
  static T from(uint8_t*, double value) { return static_cast<T>(static_cast<int64_t>(value)); }
};

template <>
struct Argument<float> {
  static float from(uint8_t*, double value) { return static_cast<float>(value); }
};

template <class T>
struct Argument<T*> {
  static T* from(uint8_t* memory, double value) {
    return reinterpret_cast<T*>(memory + Argument<Bytes>::from(memory, value));
  }
};

template <class T>
struct Argument<Optional<T>> {
  static Optional<T> from(uint8_t* memory, double value) {
    return {value == 0 ? nullptr : Argument<T*>::from(memory, value)};
  }
};

template <auto function>
struct Call;

template <class Result, class... Types, Result (*function)(Types...)>
struct Call<function> {
  static double call(uint8_t* memory, const double* values) {
    return call(memory, values, std::index_sequence_for<Types...>());
  }

  static constexpr Kernel named(const char* name) {
    static_assert(sizeof...(Types) <= mostArguments, "a kernel takes more numbers than are passed on");
    return {name, sizeof...(Types), !std::is_void_v<Result>, call};
  }

 private:
  template <size_t... i>
  static double call(uint8_t* memory, const double* values, std::index_sequence<i...>) {
    if constexpr (std::is_void_v<Result>) {
      function(Argument<Types>::from(memory, values[i])...);
      return 0;
    } else {
      return function(Argument<Types>::from(memory, values[i])...);
    }
  }
};

}  // namespace
}  // namespace lockstep
