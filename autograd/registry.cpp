#include "saw/autograd/registry.h"

#include "saw/autograd/ops/internal/families.h"

namespace saw {

const std::vector<const OpInfo*>& op_registry() {
  static const std::vector<const OpInfo*> ops = [] {
    std::vector<const OpInfo*> all;
    for (const auto family : {activation_ops,
                              attention_ops,
                              batch_norm_ops,
                              binary_ops,
                              checkpoint_ops,
                              compare_ops,
                              conv_ops,
                              copy_ops,
                              crf_ops,
                              ctc_ops,
                              cumulative_ops,
                              custom_function_ops,
                              depthwise_conv_ops,
                              dropout_ops,
                              einsum_ops,
                              elementwise_loss_ops,
                              embedding_ops,
                              glu_ops,
                              group_norm_ops,
                              index_ops,
                              integer_ops,
                              linalg_ops,
                              loss_ops,
                              matmul_ops,
                              norm_ops,
                              packing_ops,
                              quantile_ops,
                              rearrange_ops,
                              recurrent_ops,
                              reduce_ops,
                              relative_attention_ops,
                              rotary_ops,
                              sampling_ops,
                              segment_ops,
                              segment_rearrange_ops,
                              segment_statistics_ops,
                              sets_ops,
                              shape_ops,
                              slice_ops,
                              softmax_ops,
                              sort_ops,
                              statistics_ops,
                              unary_ops,
                              view_ops})
      for (const OpInfo* op : family()) all.push_back(op);
    return all;
  }();
  return ops;
}

const OpInfo* find_op(std::string_view name) {
  for (const OpInfo* op : op_registry())
    if (name == op->name) return op;
  return nullptr;
}

}  // namespace saw
