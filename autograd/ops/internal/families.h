#pragma once

// For sources of autograd/, not for users: the ops of each family file, for the registry.

#include <vector>

#include "saw/autograd/tape/op_info.h"

namespace saw {

using OpList = std::vector<const OpInfo*>;

OpList activation_ops();
OpList attention_ops();
OpList batch_norm_ops();
OpList binary_ops();
OpList checkpoint_ops();
OpList compare_ops();
OpList conv_ops();
OpList copy_ops();
OpList crf_ops();
OpList ctc_ops();
OpList cumulative_ops();
OpList custom_function_ops();
OpList depthwise_conv_ops();
OpList dropout_ops();
OpList einsum_ops();
OpList elementwise_loss_ops();
OpList embedding_ops();
OpList glu_ops();
OpList group_norm_ops();
OpList index_ops();
OpList integer_ops();
OpList linalg_ops();
OpList loss_ops();
OpList matmul_ops();
OpList norm_ops();
OpList packing_ops();
OpList quantile_ops();
OpList rearrange_ops();
OpList recurrent_ops();
OpList reduce_ops();
OpList relative_attention_ops();
OpList rotary_ops();
OpList sampling_ops();
OpList segment_ops();
OpList segment_rearrange_ops();
OpList segment_statistics_ops();
OpList sets_ops();
OpList shape_ops();
OpList slice_ops();
OpList softmax_ops();
OpList sort_ops();
OpList statistics_ops();
OpList unary_ops();
OpList view_ops();

}  // namespace saw
