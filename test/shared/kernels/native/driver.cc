// Runs kernels on a processor that Node does not run on here: reads calls, writes what they leave.
// A call is a name, numbers and a memory, a result is a number and a memory; who asks is the judge.
#include <stdio.h>
#include <string.h>

#include "../../../../shared/kernels/native/kernel.h"

namespace {

constexpr size_t imageBytes = 65536;

static_assert(mostArguments == 18, "neon.test.ts writes so many");

struct Request {
  char name[32];
  double arguments[mostArguments];
  unsigned char image[imageBytes];
};

struct Answer {
  double result;
  unsigned char image[imageBytes];
};

Request request;
Answer answer;
/** The image, and scratch memory behind it. */
alignas(64) unsigned char memory[2 * imageBytes];

}  // namespace

int main() {
  while (fread(&request, sizeof(request), 1, stdin) == 1) {
    const Kernel* kernel = neonKernels;
    while (kernel->name != nullptr && strcmp(kernel->name, request.name) != 0) kernel++;
    if (kernel->name == nullptr) return 1;
    memcpy(memory, request.image, imageBytes);
    answer.result = kernel->call(memory, request.arguments);
    memcpy(answer.image, memory, imageBytes);
    fwrite(&answer, sizeof(answer), 1, stdout);
  }
  return 0;
}
