#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "saw/autograd/base/error.h"
#include "saw/autograd/state_dict.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// The name of the model in the folder of a run.
inline constexpr const char* model_file_name = "model.safetensors";

/// A value of an option from which a model is built.
using Setting = std::variant<bool, std::int64_t, double, std::string>;

/// A trained model as one file: a safetensors file with its weights, and in its metadata all that a program needs to
/// build the model that they belong to. Any reader of safetensors gets the weights.
///
///   train::save_model("tagger/model.safetensors", {.model = "attention",
///                                                  .options = {{"width", 192}},
///                                                  .parts = {{"words", vocabulary.text()}},
///                                                  .weights = tagger.state_dict()});
///
///   const train::ModelFile file = train::load_model("tagger");              // the file or its folder
///   file.check_model({"attention", "window"});
///   const auto words = data::Vocabulary::parse(file.part("words"), file.part_name("words"));
///   AttentionTagger tagger(words, file.integer("width"));
///   file.load_into(tagger);
struct ModelFile {
  std::string model = {};                         ///< the architecture's name, as the program knows it
  std::map<std::string, Setting> options = {};    ///< widths and the like
  std::map<std::string, std::string> parts = {};  ///< vocabularies, sub-words, …: any bytes
  StateDict weights = {};                         ///< by the model's names
  std::string path = {};                          ///< of the file it was read from; not saved

  // Errors are Error(io) and begin with the path.

  /// Throws unless the model is one of these.
  void check_model(const std::vector<std::string>& known) const;
  /// An option. Throws for one that is not there or of another type.
  std::int64_t integer(const std::string& name) const;
  double number(const std::string& name) const;            ///< an integer will do
  bool flag(const std::string& name) const;                ///< an option; throws as integer() does
  const std::string& text(const std::string& name) const;  ///< an option; throws as integer() does
  /// A part. Throws for one that is not there.
  const std::string& part(const std::string& name) const;
  /// "tagger/model.safetensors, words": what a parser calls the part in its errors.
  std::string part_name(const std::string& name) const { return path + ", " + name; }
  /// module.load_state_dict(weights); what does not fit is an error that begins with the path.
  template <class Model>
  void load_into(Model& module) const {
    try {
      module.load_state_dict(weights);
    } catch (const Error& error) {
      throw Error(ErrorKind::io, path + ": " + error.what());
    }
  }
};

/// Writes the file, all of it or nothing, replacing another of that name by one rename. The same model gives the same
/// bytes. Throws Error(argument) for weights that are NaN or infinite (then the file there stays), Error(io).
void save_model(const std::string& path, const ModelFile& model);

/// Reads a model; `path` is the file or the folder in which it is called model.safetensors. The file has a checksum of
/// each of its parts. Throws Error(io), naming file and part, for a file that is damaged or no such model, for a part
/// that was changed since, and for weights that are NaN or infinite.
ModelFile load_model(const std::string& path);

/// What initialise_from() did, by names of tensors.
struct Initialised {
  std::vector<std::string> taken;        ///< in both, and copied
  std::vector<std::string> other_shape;  ///< in both, but of other shapes or dtypes
  std::vector<std::string> missing;      ///< of the model, not in the file
  std::vector<std::string> unused;       ///< of the file, not in the model
  std::vector<std::string> skipped;      ///< in both and left alone because a pattern says so

  /// "12 tensors taken; of another shape: tags.weight, tags.bias; not in the file: …".
  std::string text() const;
};

/// Copies the values of `weights` into the tensors of the same name, shape and dtype of a model's state_dict(); all
/// others keep what they have. Names that fit a pattern of `skip` (name_matches()) are left alone: the layer of labels
/// when the labels are others. Throws Error(argument) where nothing is taken.
///
///   const auto file = train::load_model("tagger");
///   train::say(train::initialise_from(file.weights, tagger.state_dict(), {"tags.*"}).text());
Initialised initialise_from(const StateDict& weights, const StateDict& model,
                            const std::vector<std::string>& skip = {});

}  // namespace train
}  // namespace saw
