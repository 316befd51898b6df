#pragma once

// saw/saw.h: all of saw. Each room can also be included by itself, header by header.

#include "saw/autograd/config.h"
#include "saw/autograd/dtype.h"
#include "saw/autograd/engine.h"
#include "saw/autograd/error.h"
#include "saw/autograd/format.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/memory.h"
#include "saw/autograd/ops.h"
#include "saw/autograd/parallel.h"
#include "saw/autograd/random.h"
#include "saw/autograd/segments.h"
#include "saw/autograd/shape.h"
#include "saw/autograd/sparse_gradient.h"
#include "saw/autograd/tensor.h"
#include "saw/data/data.h"
#include "saw/nn/nn.h"
#include "saw/optim/optim.h"
#include "saw/train/train.h"
