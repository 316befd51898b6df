#pragma once

// What programs that train share.

#include "saw/train/attention_picture.h"
#include "saw/train/checkpoint.h"
#include "saw/train/early_stopping.h"
#include "saw/train/event_file.h"
#include "saw/train/heat_map.h"
#include "saw/train/metrics/metrics.h"
#include "saw/train/metrics_file.h"
#include "saw/train/model_file.h"
#include "saw/train/output_paths.h"
#include "saw/train/profile.h"
#include "saw/train/program.h"
#include "saw/train/progress.h"
#include "saw/train/report/report.h"
#include "saw/train/run.h"
#include "saw/train/run_folder.h"
#include "saw/train/signals.h"
#include "saw/train/state.h"
