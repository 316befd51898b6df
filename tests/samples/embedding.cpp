#include "samples/families.h"
#include "samples/rearranged.h"
#include "saw/autograd/ops.h"

namespace samples {
namespace {

using namespace saw;

std::vector<Sample> samples_of_embedding(SampleMaker& make) {
  const auto reference = [](const TensorList& in) {
    const std::vector<std::int64_t> at = in[1].to_vector<std::int64_t>();
    Shape shape = in[1].shape();
    shape.push_back(in[0].shape()[1]);
    return TensorList{rearranged(in[0], shape, [&](const Shape& i) {
      return Shape{at[static_cast<std::size_t>(ravel(i, shape) / shape.back())], i.back()};
    })};
  };
  const auto sample = [reference](const char* name, const Tensor& table, const Tensor& index) {
    return Sample{.name = name,
                  .inputs = {table, index},
                  .run = [](const TensorList& in) { return TensorList{embedding(in[0], in[1])}; },
                  .reference = reference};
  };
  return {sample("list", make.normal({5, 3}), make.integers({7}, 0, 5)),
          sample("matrix", make.normal({5, 20}), make.integers({2, 3}, 0, 5)),
          sample("scalar", make.normal({5, 3}), make.integers({}, 0, 5)),
          sample("nothing", make.normal({5, 3}), make.integers({0}, 0, 5)),
          // The padding row's gradient differs from the derivative on purpose: here no index meets it.
          {.name = "padding row, unused",
           .inputs = {make.normal({5, 3}), make.integers({6}, 1, 5)},
           .run = [](const TensorList& in) { return TensorList{embedding(in[0], in[1], 0)}; },
           .reference = reference}};
}

std::vector<ErrorSample> embedding_errors() {
  return {{"out of range",
           [] {
             embedding(zeros({4, 2}), tensor({0, 4}, int64));
           },
           ErrorKind::index, "embedding: index out of range; got 4 at position (1,); expected 0 … 3"},
          {"table rank", [] { embedding(zeros({4}), tensor({0}, int64)); }, ErrorKind::shape, "embedding: the table"},
          {"index dtype",
           [] {
             embedding(zeros({4, 2}), zeros({1}));
           },
           ErrorKind::dtype, "embedding: the index must be int64"},
          {"padding index",
           [] {
             embedding(zeros({4, 2}), tensor({0}, int64), 4);
           },
           ErrorKind::argument, "embedding: the padding index"}};
}

}  // namespace

SampleList embedding_samples() { return {{"embedding", samples_of_embedding, embedding_errors}}; }

}  // namespace samples
