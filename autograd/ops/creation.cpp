#include "saw/autograd/ops/creation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/base/internal/element_count.h"
#include "saw/autograd/base/internal/in_range.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/kernels/convert.h"
#include "saw/autograd/kernels/random.h"
#include "saw/autograd/kernels/vector_math.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/internal/indices.h"

namespace saw {
namespace {

constexpr std::int64_t fill_grain = 1 << 16;
constexpr std::int64_t draw_grain = 1 << 12;

/// A tensor whose element i is f(i), computed in parallel over fixed chunks.
template <class T, class F>
Tensor generate(const Shape& shape, std::int64_t grain, const F& f) {
  Tensor y = Tensor::empty(shape, dtype_of<T>());
  T* out = y.mutable_data<T>();
  parallel_for(0, y.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = f(i);
  });
  return y;
}

/// kernel(seed, stream, begin, count, out) over the stream that the generator gives.
template <class T, class Kernel>
Tensor drawn(const Shape& shape, Generator& generator, const Kernel& kernel) {
  const RandomStream stream(generator);
  Tensor y = Tensor::empty(shape, dtype_of<T>());
  T* out = y.mutable_data<T>();
  parallel_for(0, y.numel(), draw_grain, [&](std::int64_t begin, std::int64_t end) {
    kernel(stream.seed(), stream.stream(), begin, end - begin, out + begin);
  });
  return y;
}

/// f(word(i)) for i = 0, 1, … of the stream's 64-bit words.
template <class F>
void for_words(const RandomStream& stream, std::int64_t begin, std::int64_t end, const F& f) {
  constexpr std::int64_t buffer = 512;
  std::uint32_t words[2 * buffer];
  for (std::int64_t at = begin; at < end; at += buffer) {
    const std::int64_t count = std::min(buffer, end - at);
    kernels::random_words(stream.seed(), stream.stream(), 2 * at, 2 * count, words);
    for (std::int64_t i = 0; i < count; ++i) f(at + i, (std::uint64_t{words[2 * i + 1]} << 32) | words[2 * i]);
  }
}

std::int64_t checked_count(const char* op, std::int64_t count) {
  if (count < 0) fail(ErrorKind::argument, "{}: the count must not be negative; got {}", op, count);
  return count;
}

}  // namespace

Tensor zeros(const Shape& shape, DType dtype) {
  Tensor y = Tensor::empty(shape, dtype);
  char* bytes = static_cast<char*>(y.mutable_data(dtype));
  // All bytes 0 is the number 0 in every dtype.
  parallel_for(0, y.numel() * static_cast<std::int64_t>(size_of(dtype)), fill_grain * 4,
               [&](std::int64_t begin, std::int64_t end) {
                 std::memset(bytes + begin, 0, static_cast<std::size_t>(end - begin));
               });
  return y;
}

Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1.0, dtype); }

Tensor full(const Shape& shape, double value, DType dtype) {
  return dispatch_all(dtype, [&]<class T>() {
    const Tensor y = Tensor::empty(shape, dtype);
    const std::span<T> out(y.mutable_data<T>(), static_cast<std::size_t>(y.numel()));
    parallel_for(
        0, y.numel(), fill_grain, [&, element = convert_element<T>(value)](std::int64_t begin, std::int64_t end) {
          const auto part = out.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
          if constexpr (std::is_floating_point_v<T>)
            kernels::fill(element, part);
          else
            std::fill(part.begin(), part.end(), element);
        });
    return y;
  });
}

Tensor zeros_like(const Tensor& like, std::optional<DType> dtype) {
  return zeros(like.shape(), dtype.value_or(like.dtype()));
}
Tensor ones_like(const Tensor& like, std::optional<DType> dtype) {
  return ones(like.shape(), dtype.value_or(like.dtype()));
}
Tensor full_like(const Tensor& like, double value, std::optional<DType> dtype) {
  return full(like.shape(), value, dtype.value_or(like.dtype()));
}
Tensor empty_like(const Tensor& like, std::optional<DType> dtype) {
  return Tensor::empty(like.shape(), dtype.value_or(like.dtype()));
}
Tensor scalar(double value, DType dtype) { return full({}, value, dtype); }

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype) {
  checked_count("eye", rows);
  if (columns < 0) columns = rows;
  Tensor y = zeros({rows, columns}, dtype);
  dispatch_all(dtype, [&]<class T>() {
    T* out = y.mutable_data<T>();
    for (std::int64_t i = 0; i < std::min(rows, columns); ++i) out[i * columns + i] = T{1};
  });
  return y;
}

Tensor arange(double begin, double end, double step, DType dtype) {
  const double count = std::ceil((end - begin) / step);
  // The comparison is false for NaN too.
  if (step == 0 || !(count >= 0) || std::isinf(count))
    fail(ErrorKind::argument, "arange: the step must lead from begin to end; got begin {}, end {}, step {}", begin, end,
         step);
  if (count > 0x1p48)
    fail(ErrorKind::argument, "arange: too many elements; got begin {}, end {}, step {}", begin, end, step);
  return dispatch_numeric("arange", dtype, [&]<class T>() {
    const Tensor y = Tensor::empty({static_cast<std::int64_t>(count)}, dtype);
    T* out = y.mutable_data<T>();
    parallel_for(0, y.numel(), fill_grain, [&](std::int64_t first, std::int64_t last) {
      // Vectors of 32-bit integers become doubles, those of 64 bits do not; the sum is exact.
      const auto offset = static_cast<double>(first);
      for (std::int32_t i = 0; i < static_cast<std::int32_t>(last - first); ++i)
        out[first + i] = convert_element<T>(begin + (offset + i) * step);
    });
    return y;
  });
}

Tensor arange(double end) { return arange(0.0, end); }

namespace detail {

Tensor arange_of_integers(std::int64_t begin, std::int64_t end, std::int64_t step, DType dtype) {
  // The way from begin to end may be longer than an int64 counts.
  const auto distance = static_cast<double>(end) - static_cast<double>(begin);
  if (step == 0 || (distance != 0 && (distance > 0) != (step > 0)))
    fail(ErrorKind::argument, "arange: the step must lead from begin to end; got begin {}, end {}, step {}", begin, end,
         step);
  if (distance / static_cast<double>(step) > 0x1p48)
    fail(ErrorKind::argument, "arange: too many elements; got begin {}, end {}, step {}", begin, end, step);
  // Few steps, but maybe long ones: unsigned numbers hold any distance.
  const std::uint64_t way = step > 0 ? static_cast<std::uint64_t>(end) - static_cast<std::uint64_t>(begin)
                                     : static_cast<std::uint64_t>(begin) - static_cast<std::uint64_t>(end);
  const std::uint64_t stride =
      step > 0 ? static_cast<std::uint64_t>(step) : std::uint64_t{0} - static_cast<std::uint64_t>(step);
  const auto count = static_cast<std::int64_t>(way / stride + (way % stride != 0 ? 1 : 0));
  return dispatch_numeric("arange", dtype, [&]<class T>() {
    return generate<T>({count}, fill_grain, [&](std::int64_t i) { return static_cast<T>(begin + i * step); });
  });
}

Tensor arange_of_integers(std::int64_t count) {
  return generate<std::int64_t>({checked_count("arange", count)}, fill_grain, [](std::int64_t i) { return i; });
}

}  // namespace detail

Tensor linspace(double first, double last, std::int64_t count, DType dtype) {
  checked_count("linspace", count);
  const double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0.0;
  return dispatch_numeric("linspace", dtype, [&]<class T>() {
    // Counted from the nearer end, so that both ends are exact and the numbers are symmetric.
    return generate<T>({count}, fill_grain, [&](std::int64_t i) {
      return convert_element<T>(i <= (count - 1) / 2 ? first + static_cast<double>(i) * step
                                                     : last - static_cast<double>(count - 1 - i) * step);
    });
  });
}

Tensor rand(const Shape& shape, DType dtype) { return rand(shape, default_generator(), dtype); }

Tensor rand(const Shape& shape, Generator& generator, DType dtype) {
  return dispatch_floating("rand", dtype,
                           [&]<class T>() { return drawn<T>(shape, generator, kernels::random_uniform<T>); });
}

Tensor randn(const Shape& shape, DType dtype) { return randn(shape, default_generator(), dtype); }

Tensor randn(const Shape& shape, Generator& generator, DType dtype) {
  return dispatch_floating("randn", dtype,
                           [&]<class T>() { return drawn<T>(shape, generator, kernels::random_normal<T>); });
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape) {
  return randint(low, high, shape, default_generator());
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator) {
  if (low >= high) fail(ErrorKind::argument, "randint: the range [low, high) is empty; got [{}, {})", low, high);
  const RandomStream stream(generator);
  Tensor y = Tensor::empty(shape, int64);
  std::int64_t* out = y.mutable_data<std::int64_t>();
  parallel_for(0, y.numel(), draw_grain, [&](std::int64_t begin, std::int64_t end) {
    for_words(stream, begin, end, [&](std::int64_t i, std::uint64_t word) { out[i] = in_range(word, low, high); });
  });
  return y;
}

Tensor rand_like(const Tensor& like, std::optional<DType> dtype) { return rand_like(like, default_generator(), dtype); }
Tensor rand_like(const Tensor& like, Generator& generator, std::optional<DType> dtype) {
  return rand(like.shape(), generator, dtype.value_or(like.dtype()));
}

Tensor randn_like(const Tensor& like, std::optional<DType> dtype) {
  return randn_like(like, default_generator(), dtype);
}
Tensor randn_like(const Tensor& like, Generator& generator, std::optional<DType> dtype) {
  return randn(like.shape(), generator, dtype.value_or(like.dtype()));
}

Tensor randint_like(const Tensor& like, std::int64_t low, std::int64_t high, std::optional<DType> dtype) {
  return randint_like(like, low, high, default_generator(), dtype);
}
Tensor randint_like(const Tensor& like, std::int64_t low, std::int64_t high, Generator& generator,
                    std::optional<DType> dtype) {
  const DType wanted = dtype.value_or(like.dtype());
  if (wanted == boolean) fail(ErrorKind::dtype, "randint_like: needs numbers; got bool; expected another dtype");
  return to(randint(low, high, like.shape(), generator), wanted);
}

Tensor randperm(std::int64_t count) { return randperm(count, default_generator()); }

Tensor randperm(std::int64_t count, Generator& generator) {
  Tensor y = arange(checked_count("randperm", count));
  std::int64_t* order = y.mutable_data<std::int64_t>();
  const RandomStream stream(generator);
  // Inside out (Fisher & Yates, Durstenfeld 1964): from the front, so that the words come in their order.
  for_words(stream, 0, count,
            [&](std::int64_t i, std::uint64_t word) { std::swap(order[i], order[in_range(word, 0, i + 1)]); });
  return y;
}

Tensor one_hot(const Tensor& classes, std::int64_t count, DType dtype) {
  checked_count("one_hot", count);
  const Tensor index = checked_indices("one_hot", classes, count);
  Shape shape = classes.shape();
  shape.push_back(count);
  Tensor y = zeros(shape, dtype);
  dispatch_all(dtype, [&]<class T>() {
    T* out = y.mutable_data<T>();
    const std::int64_t* at = index.data<std::int64_t>();
    for (std::int64_t i = 0; i < index.numel(); ++i) out[i * count + at[i]] = T{1};
  });
  return y;
}

Tensor from_borrowed(void* memory, const Shape& shape, DType dtype, std::function<void()> release) {
  const std::int64_t count = element_count("from_borrowed", shape);
  if (memory == nullptr && count > 0)
    fail(ErrorKind::argument, "from_borrowed: the memory is null; got shape {}", shape);
  if (reinterpret_cast<std::uintptr_t>(memory) % size_of(dtype) != 0)
    fail(ErrorKind::argument, "from_borrowed: the memory is not aligned for {}; expected a multiple of {} bytes", dtype,
         size_of(dtype));
  const std::size_t bytes = static_cast<std::size_t>(count) * size_of(dtype);
  return Tensor(std::make_shared<Storage>(memory, bytes, std::move(release)), shape, contiguous_strides(shape), 0,
                dtype);
}

}  // namespace saw
