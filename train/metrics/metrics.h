#pragma once

// Metrics. Each is fed with update(), joined with another one's counts with merge(), asked with value(), and begins
// anew after reset(). All work on packed rows, and targets of the value ignore_index (−100) do not count.

#include "saw/train/metrics/accuracy.h"
#include "saw/train/metrics/bleu.h"
#include "saw/train/metrics/chrf.h"
#include "saw/train/metrics/confusion_matrix.h"
#include "saw/train/metrics/edit_distance.h"
#include "saw/train/metrics/equal_error_rate.h"
#include "saw/train/metrics/mean.h"
#include "saw/train/metrics/perplexity.h"
#include "saw/train/metrics/scores.h"
#include "saw/train/metrics/span_f1.h"
