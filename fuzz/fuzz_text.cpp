// The readers of lines and of CoNLL-U on any bytes.

#include <algorithm>

#include "saw/autograd/base/error.h"
#include "saw/data/conllu.h"
#include "saw/data/line_reader.h"
#include "support.h"

namespace {

using namespace saw;

void read_lines(const std::string& path) {
  constexpr std::int64_t longest = 200;
  std::int64_t number = 0;
  for (data::LineReader lines(path, {.longest = longest}); lines.next();) {
    fuzz::require(lines.number() == ++number, "a line is not counted");
    fuzz::require(std::ssize(lines.line()) <= longest, "a line is longer than it may be");
    fuzz::require(lines.line().find('\n') == std::string::npos, "a line has a line end");
  }
}

/// What is bad is left out; each line is met once all the same.
void read_good_lines(const std::string& path) {
  std::int64_t number = 0, bad = 0;
  data::LineReader lines(path, {.longest = 20});
  for (bool more = true; more;) {
    try {
      more = lines.next();
    } catch (const Error&) {
      fuzz::require(++bad <= (1 << 20), "the same bad line comes again and again");
    }
    fuzz::require(lines.number() >= number, "the lines go back");
    number = lines.number();
  }
}

void read_corpus(const std::string& path, bool untagged) {
  const data::Corpus corpus = data::read_conllu(path, {.untagged = untagged});
  fuzz::require(!corpus.sentences.empty(), "a corpus has no sentence");
  for (const data::Sentence& sentence : corpus.sentences) {
    fuzz::require(!sentence.words.empty(), "a sentence has no word");
    fuzz::require(sentence.tags.size() == sentence.words.size(), "a word has no tag");
    fuzz::require(sentence.lines.size() == sentence.words.size(), "a word has no line");
    fuzz::require(std::is_sorted(sentence.lines.begin(), sentence.lines.end()), "the words go back");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr fuzz::MemoryBound bound{.factor = 20};
  fuzz::run(data, size, bound, read_lines);
  fuzz::run(data, size, bound, read_good_lines);
  for (const bool untagged : {false, true})
    fuzz::run(data, size, bound, [=](const std::string& path) { read_corpus(path, untagged); });
  return 0;
}
