#pragma once

// The command line of all example programs, in one place: the options that they share, what they may be, and how they
// go together.

#include <fmt/format.h>
#include <saw/saw.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace saw::examples {

/// What every example program understands, as far as it says so.
struct CommonOptions {
  std::string train, dev, test, data, manifest;             // inputs
  std::string model, load, init_from, config;               // …
  std::string save, metrics, report, tensorboard, predict;  // outputs
  std::int64_t epochs = 0, seed = 1, threads = 0, checkpoint_steps = 0;
  bool resume = false, profile = false;
};

/// --config: a JSON object of options by their names, without the dashes: {"epochs": 3, "resume": true}.
class JsonConfig : public CLI::Config {
 public:
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return "{}"; }
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const auto object = nlohmann::json::parse(input, nullptr, false);
    if (!object.is_object()) throw CLI::ConfigError("--config: not a JSON object of options");
    std::vector<CLI::ConfigItem> given;
    for (const auto& [name, value] : object.items()) {
      if (!value.is_primitive() || value.is_null())
        throw CLI::ConfigError("--config: " + train::printable(name, 60) + " is neither text, number, true nor false");
      if (name == "config") throw CLI::ConfigError("--config: a file of options cannot name another");
      given.push_back({{}, name, {value.is_string() ? value.get<std::string>() : value.dump()}});
    }
    return given;
  }
};

/// Collects options, and then runs the program:
///
///   CommonOptions options;
///   CommandLine line("pos_tagging", "Trains a part-of-speech tagger.", options);
///   line.add({"--train", "--dev", "--test", "--epochs", "--seed", "--save", "--load", "--resume", "--config"});
///   line.choice("--model", options.model, "what the tagger sees", {"attention", "window"});
///   return line.run(argc, argv, [&] { run(options, line.run_options()); });
///
/// A mistake is one line on standard error that names the option, and status 1, before any file is written.
class CommandLine {
 public:
  enum class Kind {
    input,   ///< a file or folder that must exist; its content belongs to the training
    source,  ///< the same, but the training does not depend on it
    output,  ///< a file that is written
    folder,  ///< a folder that is made and written into
    value,   ///< anything else that the training depends on
    other,   ///< … and on which it does not
  };

  CommandLine(std::string program, const std::string& description, CommonOptions& common)
      : program_(std::move(program)), app_(description), common_(common) {
    app_.config_formatter(std::make_shared<JsonConfig>());
    app_.allow_config_extras(CLI::config_extras_mode::error);
  }

  /// Shared options, by their names. `description`, where given, takes the place of the usual one.
  void add(const std::vector<std::string>& names) {
    for (const std::string& name : names) add(name);
  }
  void add(const std::string& name, const std::string& description = {}) {
    const auto described = [&](const char* usual) { return description.empty() ? std::string(usual) : description; };
    if (name == "--train") return text(name, common_.train, described("file to train on"), Kind::input);
    if (name == "--dev") return text(name, common_.dev, described("file that chooses the best weights"), Kind::input);
    if (name == "--test") return text(name, common_.test, described("file to report on"), Kind::source);
    if (name == "--data") return text(name, common_.data, described("folder or file of data"), Kind::input);
    if (name == "--manifest") return text(name, common_.manifest, described("table of recordings"), Kind::input);
    if (name == "--model") return text(name, common_.model, described("architecture"), Kind::value);
    if (name == "--epochs")
      return number(name, common_.epochs, described("passes over the training data (default: by its size)"), 1,
                    1000000);
    if (name == "--seed")
      return number(name, common_.seed, described("of all that is random"), 0,
                    std::numeric_limits<std::int64_t>::max());
    if (name == "--threads")
      return number(name, common_.threads, described("default: what the machine grants"), 1, 1024, Kind::other);
    if (name == "--save") return text(name, common_.save, described("folder of the run and its model"), Kind::folder);
    if (name == "--load")
      return text(name, common_.load, described("saved model, or its folder: nothing is trained"), Kind::source);
    if (name == "--resume")
      return flag(name, common_.resume, described("go on with the run in --save, or begin there"));
    if (name == "--init-from")
      return text(name, common_.init_from, described("saved model whose weights the training starts from"),
                  Kind::input);
    if (name == "--checkpoint-steps")
      return number(name, common_.checkpoint_steps, described("steps between checkpoints (default: five minutes)"), 1,
                    1000000000, Kind::other);
    if (name == "--metrics")
      return text(name, common_.metrics, described("file for what is measured, one JSON object a line"), Kind::output);
    if (name == "--report") return text(name, common_.report, described("HTML page about the run"), Kind::output);
    if (name == "--tensorboard")
      return text(name, common_.tensorboard, described("folder for TensorBoard's event files"), Kind::folder);
    if (name == "--predict")
      return text(name, common_.predict, described("file for what comes out for the test part"), Kind::output);
    if (name == "--profile") return flag(name, common_.profile, described("print a table of times at the end"));
    if (name == "--config") {
      app_.set_config(name, "", described("JSON file of options; those of the command line win"));
      return;
    }
    throw Error(ErrorKind::internal, "command line: no shared option " + name);
  }

  /// A text that is not empty.
  void text(const std::string& name, std::string& value, const std::string& description, Kind kind = Kind::value) {
    auto* option = app_.add_option_function<std::string>(
        name,
        [name, &value](const std::string& given) {
          if (given.empty()) throw CLI::ValidationError(name, "is empty");
          value = given;
        },
        description);
    option->type_name(kind == Kind::folder ? "FOLDER" : is_path(kind) ? "FILE" : "TEXT")->default_str(value);
    entries_.push_back(
        {name, kind, option, [&value] { return nlohmann::json(value); }, is_path(kind) ? &value : nullptr});
  }
  /// One of some words.
  void choice(const std::string& name, std::string& value, const std::string& description,
              const std::vector<std::string>& choices, Kind kind = Kind::value) {
    text(name, value, description, kind);
    entries_.back().option->check(CLI::IsMember(choices))->type_name(fmt::format("{}", fmt::join(choices, "|")));
  }
  /// A whole number from `least` to `most`.
  void number(const std::string& name, std::int64_t& value, const std::string& description, std::int64_t least,
              std::int64_t most, Kind kind = Kind::value) {
    auto* option = app_.add_option_function<std::string>(
        name,
        [=, &value](const std::string& given) {
          std::int64_t parsed = 0;
          const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), parsed);
          if (error != std::errc() || end != given.data() + given.size() || parsed < least || parsed > most)
            throw CLI::ValidationError(name, fmt::format("\"{}\" is not a whole number from {} to {}",
                                                         train::printable(given, 60), least, most));
          value = parsed;
        },
        description);
    option->type_name("NUMBER");
    if (value >= least) option->default_str(std::to_string(value));
    entries_.push_back({name, kind, option, [&value] { return nlohmann::json(value); }, nullptr});
  }
  /// A number from `least` to `most`.
  void real(const std::string& name, double& value, const std::string& description, double least, double most,
            Kind kind = Kind::value) {
    auto* option = app_.add_option_function<std::string>(
        name,
        [=, &value](const std::string& given) {
          double parsed = 0.0;
          const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), parsed);
          if (error != std::errc() || end != given.data() + given.size() || !(parsed >= least && parsed <= most))
            throw CLI::ValidationError(
                name, fmt::format("\"{}\" is not a number from {} to {}", train::printable(given, 60), least, most));
          value = parsed;
        },
        description);
    option->type_name("NUMBER")->default_str(fmt::format("{}", value));
    entries_.push_back({name, kind, option, [&value] { return nlohmann::json(value); }, nullptr});
  }
  /// On when it is given.
  void flag(const std::string& name, bool& value, const std::string& description, Kind kind = Kind::other) {
    auto* option = app_.add_flag(name, value, description);
    entries_.push_back({name, kind, option, [&value] { return nlohmann::json(value); }, nullptr});
  }

  /// For what this class has no word for. What is added here is neither saved nor compared.
  CLI::App& app() { return app_; }
  bool is_given(const std::string& name) const {
    for (const Entry& entry : entries_)
      if (entry.name == name) return entry.option->count() > 0;
    return false;
  }

  /// Parses, checks, runs `body`; the exit status for main.
  int run(int argc, char** argv, const std::function<void()>& body) {
    bool is_help = false;
    return train::run_program(program_.c_str(), [&] {
      try {
        app_.parse(argc, argv);
      } catch (const CLI::ParseError& error) {
        is_help = error.get_exit_code() == 0;
        if (!is_help) throw Error(ErrorKind::argument, error.what());
        app_.exit(error);
      }
      if (is_help) return;
      check_together();
      check_paths();
      body();
    });
  }

  /// For train::Run: the folder, and the options that change the arithmetic; of inputs, what is in them.
  train::RunOptions run_options() const {
    train::RunOptions result{
        .folder = common_.save, .resume = common_.resume, .checkpoint_steps = common_.checkpoint_steps};
    for (const Entry& entry : entries_) {
      if (entry.kind == Kind::input)
        result.arithmetic.emplace_back(entry.name, entry.path->empty() ? "" : train::fingerprint(*entry.path));
      if (entry.kind == Kind::value) {
        const nlohmann::json value = entry.value();
        result.arithmetic.emplace_back(entry.name, value.is_string() ? value.get<std::string>() : value.dump());
      }
    }
    return result;
  }

  /// All options as they are in effect, in the form that --config takes: to be saved beside the model.
  std::string effective() const {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (const Entry& entry : entries_) {
      const nlohmann::json value = entry.value();
      if (entry.name == "--resume" || value == "" || (entry.option->count() == 0 && value == 0)) continue;
      object[entry.name.substr(2)] = value;
    }
    return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }

  /// For inputs that only other inputs tell, such as the recordings of a manifest: throws Error(argument) where one
  /// would be overwritten.
  void check_inputs(const std::vector<train::NamedPath>& inputs) const {
    std::vector<train::NamedPath> outputs;
    for (const Entry& entry : entries_)
      if (entry.kind == Kind::output && !entry.path->empty()) outputs.push_back({entry.name, *entry.path});
    train::check_outputs(inputs, outputs);
  }

 private:
  struct Entry {
    std::string name;
    Kind kind;
    CLI::Option* option;
    std::function<nlohmann::json()> value;
    const std::string* path;  // null where it is none
  };

  static bool is_path(Kind kind) { return kind != Kind::value && kind != Kind::other; }

  void check_together() const {
    const auto refuse = [](const std::string& name, const char* why) {
      throw Error(ErrorKind::argument, name + ": " + why);
    };
    if (is_given("--load"))
      for (const char* name :
           {"--save", "--resume", "--init-from", "--checkpoint-steps", "--epochs", "--train", "--dev"})
        if (is_given(name)) refuse(name, "has no meaning together with --load, which trains nothing");
    if (app_.get_config_ptr() != nullptr && app_.get_config_ptr()->count() > 0 &&
        app_.get_config_ptr()->as<std::string>().empty())
      refuse("--config", "is empty");
    if (common_.save.empty() && common_.resume) refuse("--resume", "needs --save, the folder of the run");
    if (common_.save.empty() && is_given("--checkpoint-steps"))
      refuse("--checkpoint-steps", "needs --save, the folder of the run");
  }

  void check_paths() const {
    std::vector<train::NamedPath> inputs, outputs, folders;
    for (const Entry& entry : entries_) {
      if (entry.path == nullptr) continue;
      auto& list = entry.kind == Kind::folder ? folders : entry.kind == Kind::output ? outputs : inputs;
      list.push_back({entry.name, *entry.path});
      std::error_code error;
      if ((entry.name == "--load" || entry.name == "--init-from") && std::filesystem::is_directory(*entry.path, error))
        list.back().path += std::string("/") + train::model_file_name;
    }
    if (const std::string config = app_.get_config_ptr() != nullptr ? app_.get_config_ptr()->as<std::string>() : "";
        !config.empty()) {
      // A run may go on with the options that it saved.
      if (common_.save.empty() || !train::is_same_file(config, common_.save + "/options.json"))
        inputs.push_back({"--config", config});
    }
    if (!common_.save.empty())
      for (const char* name : {train::model_file_name, "options.json", "run.lock", "trace.json"})
        outputs.push_back({"--save", common_.save + "/" + name});
    train::check_outputs(inputs, outputs, folders);
  }

  std::string program_;
  CLI::App app_;
  CommonOptions& common_;
  std::vector<Entry> entries_;
};

}  // namespace saw::examples
