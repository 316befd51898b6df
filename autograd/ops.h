#pragma once

// All ops on tensors, by family.

#include "saw/autograd/ops/attention.h"
#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/compare.h"
#include "saw/autograd/ops/conv.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/dropout.h"
#include "saw/autograd/ops/index.h"
#include "saw/autograd/ops/loss.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/norm.h"
#include "saw/autograd/ops/reduce.h"
#include "saw/autograd/ops/relative_attention.h"
#include "saw/autograd/ops/segment.h"
#include "saw/autograd/ops/shape.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/ops/unary.h"
#include "saw/autograd/ops/view.h"
