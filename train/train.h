#pragma once

// What programs that train share.

#include "saw/train/attention_picture.h"
#include "saw/train/event_file.h"
#include "saw/train/heat_map.h"
#include "saw/train/metrics/metrics.h"
#include "saw/train/metrics_file.h"
#include "saw/train/profile.h"
#include "saw/train/progress.h"
#include "saw/train/report/report.h"
#include "saw/train/run.h"
