#pragma once

// Corpora, vocabularies, batches and file formats.

#include "saw/data/batches.h"
#include "saw/data/conllu.h"
#include "saw/data/file.h"
#include "saw/data/safetensors.h"
#include "saw/data/summary.h"
#include "saw/data/tagging.h"
#include "saw/data/text.h"
#include "saw/data/utf8.h"
#include "saw/data/vocabulary.h"
