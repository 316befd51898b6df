#include "saw/data/json_lines.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/line_source.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

using Json = nlohmann::json;

/// Thrown out of the parser, which knows neither file nor line.
struct BadLine {
  std::string what;
};

/// Finds names that an object has twice (the library would keep the last and say nothing) and nesting too deep.
class Watch {
 public:
  explicit Watch(std::int64_t deepest) : deepest_(deepest) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > deepest_) throw BadLine{fmt::format("more than {} levels of objects and lists", deepest_)};
    if (event == Json::parse_event_t::object_start)
      open_.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      open_.pop_back();
    else if (event == Json::parse_event_t::key && !open_.back().insert(parsed.get_ref<const std::string&>()).second)
      throw BadLine{quote(parsed.get_ref<const std::string&>()) + " is given twice"};
    return true;
  }

 private:
  std::int64_t deepest_;
  std::vector<std::set<std::string>> open_;
};

std::string describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case Json::value_t::null:
      return "null";
    default:
      return value.dump();
  }
}

}  // namespace

struct JsonLinesReader::State {
  template <class Source>
  State(const Source& from, const std::string& name, const JsonLinesOptions& given)
      : lines(from, name, given.longest_line), options(given) {
    if (options.longest_line < 1)
      fail(ErrorKind::argument, "json lines: longest_line; got {}; expected at least 1", options.longest_line);
    if (options.deepest < 1)
      fail(ErrorKind::argument, "json lines: deepest; got {}; expected at least 1", options.deepest);
  }

  LineSource lines;
  JsonLinesOptions options;
  Json object = Json::object();

  template <class... Arguments>
  [[noreturn]] void reject(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail(ErrorKind::io, "{}:{}: {}", lines.name(), lines.number(),
         fmt::format(text, std::forward<Arguments>(arguments)...));
  }
  [[noreturn]] void reject_type(const std::string& place, const Json& value, const char* expected) const {
    reject("{}: got {}; expected {}", place, describe(value), expected);
  }

  void parse() {
    const std::string& text = lines.line();
    try {
      object = Json::parse(text, Watch(options.deepest));
    } catch (const BadLine& bad) {
      reject("column 1: {}", bad.what);
    } catch (const Json::parse_error& error) {
      // Of the library's own text, what people can use: not the name and place of its error, not the bytes it read.
      std::string_view what = error.what();
      what.remove_prefix(std::min(what.find("syntax error"), what.size()));
      const auto at = std::min(std::max<std::size_t>(error.byte, 1), text.size() + 1);
      reject("column {}: not JSON; {}; got {}", at, what.substr(0, what.find("; last read")),
             quote(std::string_view(text).substr(at > 20 ? at - 20 : 0, 40)));
    } catch (const Json::exception&) {
      reject("column 1: not JSON; a number is out of range");
    }
    if (!object.is_object()) reject("column 1: got {}; expected an object", describe(object));
  }

  const Json& at(std::string_view field) const {
    const auto found = object.find(field);
    if (found != object.end()) return *found;
    std::string names;
    std::size_t shown = 0;
    for (const auto& item : object.items()) {
      if (++shown > 20) break;
      names += (shown == 1 ? "" : ", ") + quote(item.key());
    }
    reject("{}: there is none; the object has {}{}", quote(field), names.empty() ? "nothing" : names,
           shown > 20 ? ", …" : "");
  }
  const std::string& text(const Json& value, const std::string& place) const {
    if (!value.is_string()) reject_type(place, value, "a string");
    return value.get_ref<const std::string&>();
  }
  std::int64_t integer(const Json& value, const std::string& place) const {
    const bool fits =
        value.is_number_integer() && !(value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX);
    if (!fits) reject_type(place, value, "an integer of 64 bits");
    return value.get<std::int64_t>();
  }
  double number(const Json& value, const std::string& place) const {
    if (!value.is_number()) reject_type(place, value, "a number");
    return value.get<double>();
  }
  template <class T, class F>
  std::vector<T> list(std::string_view field, const F& element) const {
    const Json& value = at(field);
    if (!value.is_array()) reject_type(quote(field), value, "a list");
    std::vector<T> result;
    result.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i)
      result.push_back(element(value[i], fmt::format("{}[{}]", quote(field), i)));
    return result;
  }
};

JsonLinesReader::JsonLinesReader(const std::string& path, const JsonLinesOptions& options)
    : state_(std::make_unique<State>(path, path, options)) {}
JsonLinesReader::JsonLinesReader(std::string_view text, const std::string& name, const JsonLinesOptions& options)
    : state_(std::make_unique<State>(text, name, options)) {}
JsonLinesReader::~JsonLinesReader() = default;
JsonLinesReader::JsonLinesReader(JsonLinesReader&&) noexcept = default;
JsonLinesReader& JsonLinesReader::operator=(JsonLinesReader&&) noexcept = default;

bool JsonLinesReader::next() {
  do {
    if (!state_->lines.next()) return false;
  } while (state_->lines.line().find_first_not_of(" \t") == std::string::npos);
  state_->parse();
  return true;
}

std::int64_t JsonLinesReader::line() const { return state_->lines.number(); }

std::vector<std::string> JsonLinesReader::fields() const {
  std::vector<std::string> names;
  for (const auto& item : state_->object.items()) names.push_back(item.key());
  return names;
}

bool JsonLinesReader::has(std::string_view field) const {
  const auto found = state_->object.find(field);
  return found != state_->object.end() && !found->is_null();
}

const std::string& JsonLinesReader::text(std::string_view field) const {
  return state_->text(state_->at(field), quote(field));
}

std::int64_t JsonLinesReader::integer(std::string_view field) const {
  return state_->integer(state_->at(field), quote(field));
}

double JsonLinesReader::number(std::string_view field) const { return state_->number(state_->at(field), quote(field)); }

bool JsonLinesReader::boolean(std::string_view field) const {
  const Json& value = state_->at(field);
  if (!value.is_boolean()) state_->reject_type(quote(field), value, "true or false");
  return value.get<bool>();
}

std::vector<std::string> JsonLinesReader::texts(std::string_view field) const {
  return state_->list<std::string>(
      field, [&](const Json& value, const std::string& place) { return state_->text(value, place); });
}

std::vector<std::int64_t> JsonLinesReader::integers(std::string_view field) const {
  return state_->list<std::int64_t>(
      field, [&](const Json& value, const std::string& place) { return state_->integer(value, place); });
}

std::vector<double> JsonLinesReader::numbers(std::string_view field) const {
  return state_->list<double>(
      field, [&](const Json& value, const std::string& place) { return state_->number(value, place); });
}

std::string JsonLinesReader::json(std::string_view field) const { return state_->at(field).dump(); }

void JsonLinesReader::reject(std::string_view field, std::string_view what) const {
  state_->reject("{}: {}; got {}", quote(field), what, quote(state_->at(field).dump()));
}

}  // namespace data
}  // namespace saw
