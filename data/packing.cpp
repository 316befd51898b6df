#include "saw/data/packing.h"

#include <algorithm>
#include <numeric>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/literal.h"
#include "saw/autograd/ops/shape.h"

namespace saw {
namespace data {
namespace {

using Numbers = std::vector<std::int64_t>;

template <class T>
const T& at(const char* op, std::span<const T> examples, std::int64_t number) {
  if (number < 0 || number >= std::ssize(examples))
    fail(ErrorKind::index, "{}: number of an example; got {}; expected 0 to {}", op, number, std::ssize(examples) - 1);
  return examples[static_cast<std::size_t>(number)];
}

Numbers all(std::size_t count) {
  Numbers numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

Packed pack_ids(std::span<const Numbers> sequences, std::span<const std::int64_t> numbers, const PackOptions& options) {
  if (options.longest < 0) fail(ErrorKind::argument, "pack_ids: longest; got {}; expected at least 0", options.longest);
  Numbers ids, lengths;
  lengths.reserve(numbers.size());
  for (const std::int64_t number : numbers) {
    const Numbers& sequence = at("pack_ids", sequences, number);
    const std::int64_t size = std::ssize(sequence);
    const std::int64_t taken = options.longest > 0 ? std::min(size, options.longest) : size;
    const std::size_t before = ids.size();
    if (options.begin) ids.push_back(*options.begin);
    ids.insert(ids.end(), sequence.begin(), sequence.begin() + taken);
    if (options.end) ids.push_back(*options.end);
    lengths.push_back(static_cast<std::int64_t>(ids.size() - before));
  }
  return {tensor(ids), Segments::from_lengths(lengths)};
}

Packed pack_ids(std::span<const Numbers> sequences, const PackOptions& options) {
  return pack_ids(sequences, all(sequences.size()), options);
}

Packed pack_rows(std::span<const Tensor> sequences, std::span<const std::int64_t> numbers) {
  if (numbers.empty()) fail(ErrorKind::argument, "pack_rows: no example; how wide the rows would be is not known");
  const Tensor& first = at("pack_rows", sequences, numbers[0]);
  TensorList pieces;
  Numbers lengths;
  for (const std::int64_t number : numbers) {
    const Tensor& piece = at("pack_rows", sequences, number);
    if (!piece.defined()) fail(ErrorKind::argument, "pack_rows: example {} is undefined", number);
    if (piece.rank() == 0) fail(ErrorKind::shape, "pack_rows: example {}; got (); expected (rows, …)", number);
    Shape expected = first.shape();
    if (expected.size() > 0) expected[0] = piece.size(0);
    if (piece.shape() != expected)
      fail(ErrorKind::shape, "pack_rows: example {}; got {}; expected {} as example {} has", number, piece.shape(),
           expected, numbers[0]);
    if (piece.dtype() != first.dtype())
      fail(ErrorKind::dtype, "pack_rows: example {}; got {}; expected {} as example {} has", number, piece.dtype(),
           first.dtype(), numbers[0]);
    pieces.push_back(piece);
    lengths.push_back(piece.size(0));
  }
  return {cat(pieces, 0), Segments::from_lengths(lengths)};
}

Packed pack_rows(std::span<const Tensor> sequences) { return pack_rows(sequences, all(sequences.size())); }

Packed pack_rows(std::span<const std::vector<float>> sequences, std::int64_t width,
                 std::span<const std::int64_t> numbers) {
  if (width < 1) fail(ErrorKind::argument, "pack_rows: width; got {}; expected at least 1", width);
  Numbers lengths;
  for (const std::int64_t number : numbers) {
    const std::vector<float>& sequence = at("pack_rows", sequences, number);
    if (std::ssize(sequence) % width != 0)
      fail(ErrorKind::shape, "pack_rows: example {}; got {} numbers; expected whole rows of {}", number,
           sequence.size(), width);
    lengths.push_back(std::ssize(sequence) / width);
  }
  Segments segments = Segments::from_lengths(lengths);
  Tensor rows = Tensor::empty({segments.rows(), width}, DType::float32);
  float* next = rows.mutable_data<float>();
  for (const std::int64_t number : numbers) {
    const std::vector<float>& sequence = sequences[static_cast<std::size_t>(number)];
    next = std::copy(sequence.begin(), sequence.end(), next);
  }
  return {std::move(rows), std::move(segments)};
}

Tensor pack_labels(std::span<const std::int64_t> labels, std::span<const std::int64_t> numbers) {
  Numbers result;
  result.reserve(numbers.size());
  for (const std::int64_t number : numbers) result.push_back(at("pack_labels", labels, number));
  return tensor(result);
}

Tensor pack_targets(std::span<const double> targets, std::span<const std::int64_t> numbers) {
  std::vector<float> result;
  result.reserve(numbers.size());
  for (const std::int64_t number : numbers) result.push_back(static_cast<float>(at("pack_targets", targets, number)));
  return tensor(result);
}

}  // namespace data
}  // namespace saw
