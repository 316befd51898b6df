#include "saw/train/model_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/data/base64.h"
#include "saw/data/safetensors.h"
#include "saw/data/utf8.h"
#include "saw/train/internal/checksum.h"
#include "saw/train/program.h"

namespace saw::train {
namespace {

// The metadata of the file. A part is text where it can be, so that people can read it.
constexpr const char* format_name = "saw model 1";
constexpr const char* hashes_key = "hashes";
const std::string text_prefix = "part.", bytes_prefix = "bytes.";

std::string quoted(const std::string& text) { return fmt::format("\"{}\"", printable(text, 60)); }

const Setting& find_option(const ModelFile& file, const std::string& name) {
  const auto found = file.options.find(name);
  if (found == file.options.end()) fail(ErrorKind::io, "{}: the model has no option {}", file.path, quoted(name));
  return found->second;
}

template <class T>
const T& option_of(const ModelFile& file, const std::string& name, const char* expected) {
  const T* value = std::get_if<T>(&find_option(file, name));
  if (value == nullptr) fail(ErrorKind::io, "{}: option {} is not {}", file.path, quoted(name), expected);
  return *value;
}

// By name, in the order of names.
std::map<std::string, std::string> hashes_of(const ModelFile& model) {
  std::map<std::string, std::string> hashes{{"weights", checksum(model.weights)}, {"model", checksum(model.model)}};
  nlohmann::json options = nlohmann::json::object();
  for (const auto& [name, value] : model.options)
    std::visit([&, &key = name](const auto& v) { options[key] = v; }, value);
  hashes.emplace("options", checksum(options.dump()));
  for (const auto& [name, bytes] : model.parts) hashes.emplace(text_prefix + name, checksum(bytes));
  return hashes;
}

bool is_finite(const Tensor& tensor) {
  if (!is_floating(tensor.dtype())) return true;
  const Tensor values = tensor.detach().contiguous();
  return dispatch_floating("model", values.dtype(), [&]<class T>() {
    const T* begin = values.data<T>();
    return std::all_of(begin, begin + values.numel(), [](T value) { return std::isfinite(value); });
  });
}

// The name of a weight that is NaN or infinite, or nothing.
std::string not_finite(const StateDict& weights) {
  const auto found = std::find_if(weights.begin(), weights.end(), [](const auto& w) { return !is_finite(w.second); });
  return found == weights.end() ? std::string() : found->first;
}

nlohmann::json parse_object(const ModelFile& file, const std::map<std::string, std::string>& metadata,
                            const char* key) {
  const auto found = metadata.find(key);
  nlohmann::json object = nlohmann::json::parse(found == metadata.end() ? "" : found->second, nullptr, false);
  if (!object.is_object())
    fail(ErrorKind::io, "{}: the model's {} cannot be read; the file is damaged", file.path, key);
  return object;
}

void read_options(ModelFile& file, const std::map<std::string, std::string>& metadata) {
  const nlohmann::json options = parse_object(file, metadata, "options");
  for (const auto& [name, value] : options.items()) {
    if (value.is_boolean())
      file.options[name] = value.get<bool>();
    else if (value.is_number_integer())
      file.options[name] = value.get<std::int64_t>();
    else if (value.is_number())
      file.options[name] = value.get<double>();
    else if (value.is_string())
      file.options[name] = value.get<std::string>();
    else
      fail(ErrorKind::io, "{}: option {} is neither number, text nor flag", file.path, quoted(name));
  }
}

void read_parts(ModelFile& file, const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(text_prefix)) {
      file.parts[key.substr(text_prefix.size())] = value;
    } else if (key.starts_with(bytes_prefix)) {
      const auto bytes = data::from_base64(value);
      if (!bytes) fail(ErrorKind::io, "{}: part {} is damaged: not base 64", file.path, quoted(key));
      file.parts[key.substr(bytes_prefix.size())] = *bytes;
    }
  }
}

void check_hashes(const ModelFile& file, const std::map<std::string, std::string>& metadata) {
  const nlohmann::json expected = parse_object(file, metadata, hashes_key);
  const auto actual = hashes_of(file);
  for (const auto& [name, hash] : actual)
    if (!expected.contains(name) || expected[name] != hash)
      fail(ErrorKind::io,
           "{}: {} was changed after the model was saved; its hash is {}; expected {}; the model's parts no longer fit "
           "together",
           file.path, name, hash, expected.contains(name) ? expected[name].dump() : "none");
  for (const auto& [name, hash] : expected.items())
    if (!actual.contains(name)) fail(ErrorKind::io, "{}: {} is missing", file.path, quoted(name));
}

std::string file_of(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) ? path + "/" + model_file_name : path;
}

}  // namespace

void ModelFile::check_model(const std::vector<std::string>& known) const {
  if (std::find(known.begin(), known.end(), model) == known.end())
    fail(ErrorKind::io, "{}: model={} is not known; expected one of {}", path, quoted(model), fmt::join(known, ", "));
}

std::int64_t ModelFile::integer(const std::string& name) const {
  return option_of<std::int64_t>(*this, name, "an integer");
}

double ModelFile::number(const std::string& name) const {
  if (const auto* value = std::get_if<std::int64_t>(&find_option(*this, name))) return static_cast<double>(*value);
  return option_of<double>(*this, name, "a number");
}

bool ModelFile::flag(const std::string& name) const { return option_of<bool>(*this, name, "true or false"); }

const std::string& ModelFile::text(const std::string& name) const {
  return option_of<std::string>(*this, name, "a text");
}

const std::string& ModelFile::part(const std::string& name) const {
  const auto found = parts.find(name);
  if (found == parts.end()) fail(ErrorKind::io, "{}: the model has no part {}", path, quoted(name));
  return found->second;
}

void save_model(const std::string& path, const ModelFile& model) {
  if (const std::string name = not_finite(model.weights); !name.empty())
    fail(ErrorKind::argument, "{}: the model is not saved: weight {} is NaN or infinite", path, quoted(name));
  nlohmann::json options = nlohmann::json::object();
  for (const auto& [name, value] : model.options) {
    if (const auto* number = std::get_if<double>(&value); number != nullptr && !std::isfinite(*number))
      fail(ErrorKind::argument, "{}: the model is not saved: option {} is {}", path, quoted(name), *number);
    std::visit([&, &key = name](const auto& v) { options[key] = v; }, value);
  }
  std::map<std::string, std::string> metadata{
      {"format", format_name}, {"model", model.model}, {"options", options.dump()}};
  for (const auto& [name, bytes] : model.parts) {
    if (data::find_invalid_utf8(bytes))
      metadata.emplace(bytes_prefix + name, data::to_base64(bytes));
    else
      metadata.emplace(text_prefix + name, bytes);
  }
  metadata.emplace(hashes_key, nlohmann::json(hashes_of(model)).dump());
  data::save_safetensors(path, model.weights, metadata);
}

ModelFile load_model(const std::string& path) {
  ModelFile result{.path = file_of(path)};
  data::SafetensorsFile file = data::load_safetensors(result.path);
  const auto& metadata = file.metadata;
  if (!metadata.contains("format") || !metadata.at("format").starts_with("saw model ")) {
    const bool is_checkpoint = metadata.contains("format") && metadata.at("format").starts_with("saw checkpoint ");
    const char* what = is_checkpoint                ? "it is a checkpoint, from which only its run goes on"
                       : metadata.contains("model") ? "it has weights alone: version 0.1 kept vocabularies in files "
                                                      "beside it; train it again, or start from it with --init-from"
                                                    : "it has weights alone, and nothing says what they belong to";
    fail(ErrorKind::io, "{}: not a model of saw: {}", result.path, what);
  }
  if (metadata.at("format") != format_name)
    fail(ErrorKind::io, "{}: the model is of another version of the format; got {}; expected \"{}\"", result.path,
         quoted(metadata.at("format")), format_name);
  if (metadata.contains("model")) result.model = metadata.at("model");
  result.weights = std::move(file.tensors);
  read_options(result, metadata);
  read_parts(result, metadata);
  if (const std::string name = not_finite(result.weights); !name.empty())
    fail(ErrorKind::io, "{}: weight {} is NaN or infinite", result.path, quoted(name));
  check_hashes(result, metadata);
  return result;
}

Initialised initialise_from(const StateDict& weights, const StateDict& model, const std::vector<std::string>& skip) {
  const NoGradGuard no_grad;
  Initialised result;
  for (const auto& [name, tensor] : model) {
    const Tensor given = find_tensor(weights, name);
    if (!given.defined()) {
      result.missing.push_back(name);
    } else if (std::any_of(skip.begin(), skip.end(), [&key = name](const auto& p) { return name_matches(key, p); })) {
      result.skipped.push_back(name);
    } else if (given.shape() != tensor.shape() || given.dtype() != tensor.dtype()) {
      result.other_shape.push_back(fmt::format("{} (got {} {}, expected {} {})", name, given.dtype(), given.shape(),
                                               tensor.dtype(), tensor.shape()));
    } else {
      tensor.copy_(given);
      result.taken.push_back(name);
    }
  }
  for (const auto& [name, tensor] : weights)
    if (!find_tensor(model, name).defined()) result.unused.push_back(name);
  if (result.taken.empty()) fail(ErrorKind::argument, "initialise_from: no weight fits this model; {}", result.text());
  return result;
}

std::string Initialised::text() const {
  std::string text = fmt::format("{} of {} tensors taken", taken.size(),
                                 taken.size() + other_shape.size() + missing.size() + skipped.size());
  const auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) text += fmt::format("; {}: {}", what, fmt::join(names, ", "));
  };
  list("other labels", skipped);
  list("of another shape", other_shape);
  list("not in the file", missing);
  list("not used", unused);
  return text;
}

}  // namespace saw::train
