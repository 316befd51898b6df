#include "saw/data/audio/internal/samples.h"

#include "saw/autograd/base/internal/check.h"

namespace saw::data {
namespace {

Tensor checked(const char* op, const char* name, const char* shape, std::size_t rank, const Tensor& x) {
  if (!x.defined()) fail(ErrorKind::argument, "{}: {} are undefined", op, name);
  if (x.rank() != rank)
    fail(ErrorKind::shape, "{}: {} have the wrong shape; got {}; expected {}", op, name, x.shape(), shape);
  if (x.dtype() != float32)
    fail(ErrorKind::dtype, "{}: {} have the wrong dtype; got {}; expected {}", op, name, x.dtype(), float32);
  return x.detach().contiguous();
}

}  // namespace

Tensor checked_samples(const char* op, const Tensor& samples) { return checked(op, "samples", "(T)", 1, samples); }

Tensor checked_frames(const char* op, const Tensor& frames) {
  return checked(op, "frames", "(frames, features)", 2, frames);
}

}  // namespace saw::data
