#pragma once

// saw/saw.h: all of saw. Each room can also be included by itself, header by header.

#include "saw/autograd/base/dtype.h"
#include "saw/autograd/base/error.h"
#include "saw/autograd/base/memory.h"
#include "saw/autograd/base/parallel.h"
#include "saw/autograd/base/random.h"
#include "saw/autograd/base/segments.h"
#include "saw/autograd/base/shape.h"
#include "saw/autograd/checkpoint.h"
#include "saw/autograd/config.h"
#include "saw/autograd/custom_function.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/format.h"
#include "saw/autograd/tape/sparse_gradient.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/data.h"
#include "saw/nn/nn.h"
#include "saw/optim/optim.h"
#include "saw/train/train.h"
