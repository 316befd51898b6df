#include "saw/data/subwords.h"

#include "saw/autograd/base/internal/check.h"
#include "saw/data/base64.h"
#include "saw/data/internal/quote.h"

#if defined(SAW_HAS_SUBWORDS)

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace saw {
namespace data {
namespace {

/// What SentencePiece says without the place in its own source.
std::string reason(const sentencepiece::util::Status& status) {
  std::string text = status.ToString();
  if (const std::size_t bracket = text.find("] "); bracket != std::string::npos) text = text.substr(bracket + 2);
  const std::string quoted = quote(text);
  return text.empty() ? std::string("it does not say why") : quoted.substr(1, quoted.size() - 2);
}

/// Hands the lines to the trainer.
class LineIterator : public sentencepiece::SentenceIterator {
 public:
  explicit LineIterator(std::span<const std::string> lines) : lines_(lines) {}
  bool done() const override { return next_ == lines_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return lines_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::span<const std::string> lines_;
  std::size_t next_ = 0;
};

std::string role_piece(std::string_view role) { return fmt::format("<{}>", role); }

void check(const SubwordOptions& options) {
  constexpr std::int64_t largest = 1 << 20;
  if (options.size < 5 || options.size > largest)
    fail(ErrorKind::argument, "subwords: size; got {}; expected 5 to {}", options.size, largest);
  if (!(options.coverage > 0 && options.coverage <= 1))
    fail(ErrorKind::argument, "subwords: coverage; got {}; expected above 0, at most 1", options.coverage);
  for (const std::string& role : options.roles)
    if (role.empty() ||
        role.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != std::string::npos)
      fail(ErrorKind::argument, "subwords: a role; got {}; expected letters, digits, _ and -", quote(role));
}

}  // namespace

struct Subwords::State {
  std::string bytes;
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> pieces;
};

bool Subwords::available() { return true; }

Subwords Subwords::train(std::span<const std::string> lines, const SubwordOptions& options) {
  check(options);
  std::size_t longest = 0;
  for (const std::string& line : lines) longest = std::max(longest, line.size());
  if (longest == 0) fail(ErrorKind::argument, "subwords: no text to learn from; got {} lines", lines.size());
  std::string roles;
  for (const std::string& role : options.roles)
    roles += fmt::format("{}{}", roles.empty() ? "" : ",", role_piece(role));
  const std::unordered_map<std::string, std::string> settings{
      {"model_type", options.model == SubwordModel::bpe ? "bpe" : "unigram"},
      {"vocab_size", std::to_string(options.size)},
      {"hard_vocab_limit", options.model == SubwordModel::bpe ? "true" : "false"},
      {"character_coverage", fmt::format("{}", options.coverage)},
      {"byte_fallback", options.bytes ? "true" : "false"},
      {"normalization_rule_name", options.exact ? "identity" : "nmt_nfkc"},
      {"remove_extra_whitespaces", options.exact ? "false" : "true"},
      {"control_symbols", roles},
      {"pad_id", "0"},
      {"unk_id", "1"},
      {"bos_id", "2"},
      {"eos_id", "3"},
      {"pad_piece", role_piece("padding")},
      {"unk_piece", role_piece("unknown")},
      {"bos_piece", role_piece("begin")},
      {"eos_piece", role_piece("end")},
      {"unk_surface", "\xEF\xBF\xBD"},
      {"max_sentence_length", std::to_string(longest + 1)},  // longer ones would be passed over in silence
      {"num_threads", "4"},  // sums are cut by it: a fixed number gives the same bits everywhere
      {"minloglevel", "3"}};
  LineIterator iterator(lines);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model);
  if (!status.ok()) fail(ErrorKind::argument, "subwords: cannot be learned; {}; size {}", reason(status), options.size);
  return from_bytes(std::move(model), "subwords");
}

Subwords Subwords::from_bytes(std::string bytes, std::string_view name) {
  auto state = std::make_shared<State>();
  state->bytes = std::move(bytes);
  // An empty model is one to the library.
  const auto status = state->processor.LoadFromSerializedProto(state->bytes);
  if (!status.ok() || state->bytes.empty() || state->processor.GetPieceSize() == 0)
    fail(ErrorKind::io, "{}: not a SentencePiece model; {}", name, reason(status));
  for (int id = 0; id < state->processor.GetPieceSize(); ++id) state->pieces.push_back(state->processor.IdToPiece(id));
  return Subwords(std::move(state));
}

const std::string& Subwords::bytes() const { return state_->bytes; }

std::int64_t Subwords::size() const { return std::ssize(state_->pieces); }

const std::string& Subwords::piece(std::int64_t id) const {
  if (id < 0 || id >= size())
    fail(ErrorKind::index, "subwords: id out of range; got {}; expected 0 to {}", id, size() - 1);
  return state_->pieces[static_cast<std::size_t>(id)];
}

std::optional<std::int64_t> Subwords::find_role(std::string_view role) const {
  const auto& processor = state_->processor;
  const auto known = [&](int id) { return id >= 0 ? std::optional<std::int64_t>(id) : std::nullopt; };
  if (role == "padding") return known(processor.pad_id());
  if (role == "unknown") return known(processor.unk_id());
  if (role == "begin") return known(processor.bos_id());
  if (role == "end") return known(processor.eos_id());
  const int id = processor.PieceToId(role_piece(role));
  return processor.IsControl(id) ? known(id) : std::nullopt;
}

std::vector<std::int64_t> Subwords::encode(std::string_view text) const {
  std::vector<int> ids;
  const auto status = state_->processor.Encode({text.data(), text.size()}, &ids);
  if (!status.ok()) fail(ErrorKind::argument, "subwords: cannot encode {}; {}", quote(text), reason(status));
  return {ids.begin(), ids.end()};
}

std::vector<std::string> Subwords::pieces(std::string_view text) const {
  std::vector<std::string> result;
  const auto status = state_->processor.Encode({text.data(), text.size()}, &result);
  if (!status.ok()) fail(ErrorKind::argument, "subwords: cannot encode {}; {}", quote(text), reason(status));
  return result;
}

std::vector<std::int64_t> Subwords::sample(std::string_view text, Generator& generator,
                                           const SubwordSampleOptions& options) const {
  constexpr std::int64_t most = 1 << 12;
  if (options.best < 1 || options.best > most)
    fail(ErrorKind::argument, "subwords: best; got {}; expected 1 to {}", options.best, most);
  if (!(options.alpha >= 0 && std::isfinite(options.alpha)))
    fail(ErrorKind::argument, "subwords: alpha; got {}; expected a number, at least 0", options.alpha);
  const double draw = RandomStream(generator).uniform(0);  // one stream, whatever the text
  sentencepiece::ImmutableNBestSentencePieceText best;
  const auto status =
      state_->processor.NBestEncode({text.data(), text.size()}, static_cast<int>(options.best), best.mutable_proto());
  if (!status.ok())
    fail(ErrorKind::argument, "subwords: cannot sample; {}; hint: BPE has no probabilities", reason(status));
  if (best.nbests_size() == 0) return encode(text);
  std::vector<double> weights;
  double sum = 0;
  for (std::size_t i = 0; i < best.nbests_size(); ++i) {
    const int at = static_cast<int>(i);
    sum += std::exp(options.alpha * (best.nbests(at).score() - best.nbests(0).score()));
    weights.push_back(sum);
  }
  const auto chosen = std::upper_bound(weights.begin(), weights.end() - 1, draw * sum) - weights.begin();
  std::vector<std::int64_t> ids;
  for (const auto& piece : best.nbests(static_cast<int>(chosen)).pieces()) ids.push_back(piece.id());
  return ids;
}

std::string Subwords::decode(std::span<const std::int64_t> ids) const {
  std::vector<int> narrow;
  narrow.reserve(ids.size());
  for (const std::int64_t id : ids) {
    piece(id);  // for its check
    narrow.push_back(static_cast<int>(id));
  }
  std::string text;
  const auto status = state_->processor.Decode(narrow, &text);
  if (!status.ok()) fail(ErrorKind::argument, "subwords: cannot decode; {}", reason(status));
  return text;
}

}  // namespace data
}  // namespace saw

#else

namespace saw {
namespace data {
namespace {

[[noreturn]] void fail_without() {
  fail(ErrorKind::argument,
       "subwords: this build of saw has no SentencePiece; hint: install libsentencepiece-dev and configure with "
       "-DSAW_SUBWORDS=ON");
}

}  // namespace

struct Subwords::State {};

bool Subwords::available() { return false; }
Subwords Subwords::train(std::span<const std::string>, const SubwordOptions&) { fail_without(); }
Subwords Subwords::from_bytes(std::string, std::string_view) { fail_without(); }
const std::string& Subwords::bytes() const { fail_without(); }
std::int64_t Subwords::size() const { fail_without(); }
const std::string& Subwords::piece(std::int64_t) const { fail_without(); }
std::optional<std::int64_t> Subwords::find_role(std::string_view) const { fail_without(); }
std::vector<std::int64_t> Subwords::encode(std::string_view) const { fail_without(); }
std::vector<std::string> Subwords::pieces(std::string_view) const { fail_without(); }
std::vector<std::int64_t> Subwords::sample(std::string_view, Generator&, const SubwordSampleOptions&) const {
  fail_without();
}
std::string Subwords::decode(std::span<const std::int64_t>) const { fail_without(); }

}  // namespace data
}  // namespace saw

#endif

namespace saw {
namespace data {

std::string Subwords::text() const { return to_base64(bytes()); }

Subwords Subwords::parse(std::string_view text, std::string_view name) {
  std::optional<std::string> bytes = from_base64(text);
  if (!bytes) fail(ErrorKind::io, "{}: not sub-words; got {}; expected base64", name, quote(text));
  return from_bytes(*std::move(bytes), name);
}

}  // namespace data
}  // namespace saw
