#pragma once

// All of optim/: optimizers, learning-rate schedules, gradient clipping, averages of weights.

#include "saw/optim/adagrad.h"
#include "saw/optim/adam.h"
#include "saw/optim/adamw.h"
#include "saw/optim/clip.h"
#include "saw/optim/ema.h"
#include "saw/optim/lion.h"
#include "saw/optim/muon.h"
#include "saw/optim/optimizer.h"
#include "saw/optim/parameters.h"
#include "saw/optim/plateau.h"
#include "saw/optim/rmsprop.h"
#include "saw/optim/schedule.h"
#include "saw/optim/sgd.h"
