#pragma once

// The samples of each op family: tests/samples/<family>.cpp beside autograd/ops/<family>.cpp.

#include "samples/samples.h"

namespace samples {

SampleList activation_samples();
SampleList attention_samples();
SampleList batch_norm_samples();
SampleList binary_samples();
SampleList checkpoint_samples();
SampleList compare_samples();
SampleList conv_samples();
SampleList copy_samples();
SampleList crf_samples();
SampleList ctc_samples();
SampleList cumulative_samples();
SampleList custom_function_samples();
SampleList depthwise_conv_samples();
SampleList dropout_samples();
SampleList einsum_samples();
SampleList elementwise_loss_samples();
SampleList embedding_samples();
SampleList glu_samples();
SampleList group_norm_samples();
SampleList index_samples();
SampleList integer_samples();
SampleList linalg_samples();
SampleList loss_samples();
SampleList matmul_samples();
SampleList norm_samples();
SampleList packing_samples();
SampleList quantile_samples();
SampleList rearrange_samples();
SampleList recurrent_samples();
SampleList reduce_samples();
SampleList relative_attention_samples();
SampleList rotary_samples();
SampleList sampling_samples();
SampleList segment_samples();
SampleList segment_rearrange_samples();
SampleList segment_statistics_samples();
SampleList sets_samples();
SampleList shape_samples();
SampleList slice_samples();
SampleList softmax_samples();
SampleList sort_samples();
SampleList statistics_samples();
SampleList unary_samples();
SampleList view_samples();

}  // namespace samples
