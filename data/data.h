#pragma once

// Corpora, vocabularies, batches and file formats.

#include "saw/data/audio/audio.h"
#include "saw/data/audio/log_mel.h"
#include "saw/data/batches.h"
#include "saw/data/conllu.h"
#include "saw/data/file.h"
#include "saw/data/frame_batches.h"
#include "saw/data/hw04.h"
#include "saw/data/manifest.h"
#include "saw/data/pytorch.h"
#include "saw/data/safetensors.h"
#include "saw/data/splits.h"
#include "saw/data/summary.h"
#include "saw/data/tagging.h"
#include "saw/data/text.h"
#include "saw/data/utf8.h"
#include "saw/data/verification.h"
#include "saw/data/vocabulary.h"
