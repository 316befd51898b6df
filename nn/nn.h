#pragma once

// saw/nn/nn.h: all of saw::nn.

#include "saw/nn/activation.h"
#include "saw/nn/activation_layers.h"
#include "saw/nn/conv1d.h"
#include "saw/nn/dropout.h"
#include "saw/nn/embedding.h"
#include "saw/nn/init.h"
#include "saw/nn/layer_norm.h"
#include "saw/nn/linear.h"
#include "saw/nn/losses.h"
#include "saw/nn/module.h"
#include "saw/nn/module_list.h"
#include "saw/nn/multi_head_attention.h"
#include "saw/nn/positional.h"
#include "saw/nn/self_attention.h"
#include "saw/nn/sequential.h"
#include "saw/nn/summary.h"
#include "saw/nn/transformer.h"
