#include "samples/samples.h"

#include "samples/families.h"
#include "saw/autograd/registry.h"

namespace samples {

const SampleList& all() {
  static const SampleList list = [] {
    SampleList all;
    for (const saw::OpInfo* op : saw::op_registry())
      if (op->samples != nullptr) all.push_back({op->name, op->samples, op->errors});
    for (const auto family : {activation_samples, attention_samples, batch_norm_samples, binary_samples, checkpoint_samples, compare_samples, conv_samples, copy_samples, cumulative_samples, custom_function_samples, depthwise_conv_samples, dropout_samples, einsum_samples, elementwise_loss_samples, embedding_samples, glu_samples, group_norm_samples, index_samples, integer_samples, linalg_samples, loss_samples, matmul_samples, norm_samples, packing_samples, quantile_samples, rearrange_samples, reduce_samples, relative_attention_samples, rotary_samples, sampling_samples, segment_samples, segment_rearrange_samples, segment_statistics_samples, sets_samples, shape_samples, slice_samples, softmax_samples, sort_samples, statistics_samples, unary_samples, view_samples})
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
