#pragma once

// Tables `source<TAB>target[<TAB>…]` as numbers, and translations that need no training.

#include <fmt/format.h>
#include <iconv.h>
#include <saw/saw.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saw::examples {

struct ParallelTexts {
  std::vector<std::string> sources, targets;
  std::int64_t left_out = 0;  ///< with skip_bad: lines that are no pairs

  std::int64_t size() const { return static_cast<std::int64_t>(sources.size()); }
};

/// Throws Error(io) `file:line: …` for a line without two texts, with an empty one, or with bytes that are not UTF-8.
inline ParallelTexts read_pairs(const std::string& path, bool skip_bad) {
  const std::string text = data::read_file(path);
  ParallelTexts result;
  std::int64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    const std::size_t tab = line.find('\t'), second = tab == line.npos ? line.npos : line.find('\t', tab + 1);
    const std::string source(line.substr(0, tab));
    const std::string target(tab == line.npos ? ""
                                              : line.substr(tab + 1, second == line.npos ? second : second - tab - 1));
    const char* wrong = data::find_invalid_utf8(line)                        ? "not UTF-8"
                        : tab == line.npos                                   ? "no tab between two texts"
                        : source.find_first_not_of(' ') == std::string::npos ? "the source is empty"
                        : target.find_first_not_of(' ') == std::string::npos ? "the target is empty"
                                                                             : nullptr;
    if (wrong == nullptr) {
      result.sources.push_back(source);
      result.targets.push_back(target);
    } else if (skip_bad) {
      ++result.left_out;
    } else {
      throw Error(ErrorKind::io, fmt::format("{}:{}: {}; got \"{}\"", path, number, wrong, train::printable(line, 60)));
    }
  }
  if (result.sources.empty()) throw Error(ErrorKind::io, path + ": has no pairs of texts");
  return result;
}

/// Whether a Chinese text is in the traditional script: it has a character that GB 2312 lacks and Big5 has.
inline bool is_traditional(const std::string& text) {
  const auto has = [](const char* charset, std::string character) {
    const iconv_t converter = iconv_open(charset, "UTF-8");
    if (converter == iconv_t(-1)) return false;
    char out[8], *in = character.data(), *to = out;
    std::size_t left = character.size(), room = sizeof out;
    const bool converted = iconv(converter, &in, &left, &to, &room) != static_cast<std::size_t>(-1);
    iconv_close(converter);
    return converted;
  };
  for (const std::string& character : data::split_characters(text))
    if (character.size() > 2 && !has("GB2312", character) && has("BIG5", character)) return true;
  return false;
}

// ---- what needs no training ----

/// For each text the target of the training pair whose source is nearest: the cosine of the words and pairs of words
/// that both have, each weighted by log(texts / texts that have it).
class NearestNeighbour {
 public:
  explicit NearestNeighbour(const ParallelTexts& training) : training_(training) {
    for (std::int64_t i = 0; i < training.size(); ++i)
      for (const auto& [feature, count] : features(training.sources[static_cast<std::size_t>(i)]))
        places_[feature].push_back(i);
    lengths_.resize(static_cast<std::size_t>(training.size()));
    for (const auto& [feature, places] : places_)
      for (const std::int64_t place : places)
        lengths_[static_cast<std::size_t>(place)] += weight(places) * weight(places);
  }

  /// `fits` says which training pairs count.
  template <class Fits>
  const std::string& translate(const std::string& source, const Fits& fits) const {
    std::vector<double> sums(lengths_.size());
    for (const auto& [feature, count] : features(source))
      if (const auto found = places_.find(feature); found != places_.end())
        for (const std::int64_t place : found->second)
          sums[static_cast<std::size_t>(place)] += weight(found->second) * weight(found->second);
    std::size_t best = 0;
    double most = -1.0;
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (const double cosine = sums[i] / std::sqrt(lengths_[i] + 1e-9); cosine > most && fits(i)) {
        most = cosine;
        best = i;
      }
    return training_.targets[best];
  }

 private:
  static std::map<std::string, int> features(const std::string& text) {
    const auto words = data::tokenize(data::lower_case(text));
    std::map<std::string, int> result;
    for (std::size_t i = 0; i < words.size(); ++i) {
      result[words[i]] = 1;
      if (i > 0) result[words[i - 1] + ' ' + words[i]] = 1;
    }
    return result;
  }
  double weight(const std::vector<std::int64_t>& places) const {
    return std::log(static_cast<double>(training_.size() + 1) / static_cast<double>(places.size()));
  }

  const ParallelTexts& training_;
  std::map<std::string, std::vector<std::int64_t>, std::less<>> places_;  // training texts that have a feature
  std::vector<double> lengths_;                                           // squares
};

/// Word for word: each word of the source becomes what goes with it most often, by Dice's coefficient 2·n_st / (n_s +
/// n_t), of the targets' words (or, where these do not divide words by spaces, of runs of one to four characters).
class WordDictionary {
 public:
  WordDictionary(const ParallelTexts& training, bool spaced) : spaced_(spaced) {
    std::map<std::string, std::map<std::string, int>> together;
    std::map<std::string, int> sources, targets;
    for (std::size_t i = 0; i < training.sources.size(); ++i) {
      const auto of_target = unique(units(training.targets[i]));
      for (const std::string& unit : of_target) ++targets[unit];
      for (const std::string& word : unique(data::tokenize(data::lower_case(training.sources[i])))) {
        ++sources[word];
        for (const std::string& unit : of_target) ++together[word][unit];
      }
    }
    for (const auto& [word, units] : together) {
      double most = 0.0;
      for (const auto& [unit, count] : units)
        if (const double dice = 2.0 * count / (sources[word] + targets[unit]); dice > most) {
          most = dice;
          entries_[word] = unit;
        }
    }
  }
  std::string translate(const std::string& source) const {
    std::string result;
    for (const std::string& word : data::tokenize(data::lower_case(source)))
      if (const auto found = entries_.find(word); found != entries_.end())
        result += (spaced_ && !result.empty() ? " " : "") + found->second;
    return result;
  }

 private:
  std::vector<std::string> units(const std::string& text) const {
    if (spaced_) return data::tokenize(text);
    const auto characters = data::split_characters(text);
    std::vector<std::string> result;
    for (std::size_t i = 0; i < characters.size(); ++i) {
      std::string run;
      for (std::size_t n = 0; n < 4 && i + n < characters.size(); ++n) result.push_back(run += characters[i + n]);
    }
    return result;
  }
  static std::vector<std::string> unique(std::vector<std::string> all) {
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  bool spaced_;
  std::map<std::string, std::string, std::less<>> entries_;
};

}  // namespace saw::examples
