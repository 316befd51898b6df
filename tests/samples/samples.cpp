#include "samples/samples.h"

#include <cmath>

#include "samples/families.h"
#include "saw/autograd/ops.h"

namespace samples {

using namespace saw;

Tensor SampleMaker::normal(const Shape& shape) { return to(randn(shape, generator_, float64), dtype_); }

Tensor SampleMaker::uniform(const Shape& shape, double low, double high) {
  return affine(to(rand(shape, generator_, float64), dtype_), high - low, low);
}

Tensor SampleMaker::away_from(const Shape& shape, std::initializer_list<double> kinks, double margin) {
  auto values = randn(shape, generator_, float64).to_vector<double>();
  for (double& value : values)
    for (const double kink : kinks)
      if (std::abs(value - kink) < margin) value = kink + (value < kink ? -margin : margin);
  return to(tensor(values, shape), dtype_);
}

Tensor SampleMaker::distinct(const Shape& shape) {
  const Tensor order = to(randperm(shape.numel(), generator_), float64);
  return to(reshape(affine(order, 0.15, -0.15 * static_cast<double>(shape.numel()) / 2 + 0.03), shape), dtype_);
}

Tensor SampleMaker::integers(const Shape& shape, std::int64_t low, std::int64_t high) {
  return randint(low, high, shape, generator_);
}

Tensor SampleMaker::conditions(const Shape& shape) { return less(rand(shape, generator_, float32), 0.5); }

const SampleList& all() {
  static const SampleList list = [] {
    SampleList all;
    for (const auto family : {activation_samples,
                              attention_samples,
                              batch_norm_samples,
                              binary_samples,
                              checkpoint_samples,
                              compare_samples,
                              conv_samples,
                              copy_samples,
                              crf_samples,
                              ctc_samples,
                              cumulative_samples,
                              custom_function_samples,
                              depthwise_conv_samples,
                              dropout_samples,
                              einsum_samples,
                              elementwise_loss_samples,
                              embedding_samples,
                              glu_samples,
                              group_norm_samples,
                              index_samples,
                              integer_samples,
                              linalg_samples,
                              loss_samples,
                              matmul_samples,
                              norm_samples,
                              packing_samples,
                              quantile_samples,
                              rearrange_samples,
                              recurrent_samples,
                              reduce_samples,
                              relative_attention_samples,
                              rotary_samples,
                              sampling_samples,
                              segment_samples,
                              segment_rearrange_samples,
                              segment_statistics_samples,
                              sets_samples,
                              shape_samples,
                              slice_samples,
                              softmax_samples,
                              sort_samples,
                              statistics_samples,
                              unary_samples,
                              view_samples})
      for (const OpSamples& entry : family()) all.push_back(entry);
    return all;
  }();
  return list;
}

const OpSamples* find(std::string_view op) {
  for (const OpSamples& entry : all())
    if (op == entry.op) return &entry;
  return nullptr;
}

}  // namespace samples
