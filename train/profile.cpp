#include "saw/train/profile.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/tape/backward_observer.h"
#include "saw/autograd/tape/record.h"
#include "saw/data/file.h"
#include "saw/train/internal/readable.h"

namespace saw::train {
namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::int64_t;

double to_seconds(Nanoseconds time) { return 1e-9 * static_cast<double>(time); }

struct Totals {
  Nanoseconds time = 0;
  std::int64_t calls = 0;
};

struct Event {
  std::uint32_t name;  // in names of phases, or among ops
  enum Kind : std::uint8_t { phase, forward, backward } kind;
  Nanoseconds begin, duration;
};

struct Open {
  std::size_t name;
  Nanoseconds begin, inner = 0;
};

std::string row(const std::string& name, std::size_t width, const ProfileRow& measured, double all) {
  return fmt::format(
      "{:<{}} {:>9.3f} {:>7.1f} % {:>9} {:>10}\n", name, width, measured.seconds,
      all > 0 ? 100 * measured.seconds / all : 0.0, readable_count(measured.calls),
      measured.calls > 0 ? readable_seconds(measured.seconds / static_cast<double>(measured.calls)) : "");
}

}  // namespace

struct Profile::Impl {
  ProfileOptions options;
  Clock::time_point made = Clock::now();
  std::vector<std::string> names;
  std::vector<Totals> totals;  // of phases
  std::vector<Open> open;
  std::vector<const OpInfo*> op_names;
  std::unordered_map<const OpInfo*, std::uint32_t> op_numbers;
  std::vector<Totals> forward, backward;  // of ops
  std::vector<Event> events;
  std::int64_t left_out = 0;
  Nanoseconds mark = 0;                     // when the last op or phase ended
  std::vector<Nanoseconds> backward_begin;  // nested ones: a backward may run another one
  std::optional<OpObserver> op_observer;
  std::optional<BackwardObserver> backward_observer;

  Nanoseconds now() const { return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - made).count(); }

  void keep(const Event& event) {
    if (!options.trace) return;
    if (events.size() < options.trace_events)
      events.push_back(event);
    else
      ++left_out;
  }

  std::size_t number_of(std::string_view name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    names.emplace_back(name);
    totals.emplace_back();
    return names.size() - 1;
  }

  std::uint32_t number_of(const OpInfo& op) {
    const auto [entry, fresh] = op_numbers.try_emplace(&op, static_cast<std::uint32_t>(op_names.size()));
    if (fresh) {
      op_names.push_back(&op);
      forward.emplace_back();
      backward.emplace_back();
    }
    return entry->second;
  }

  void begin_phase(std::string_view name) {
    if (open.empty() && options.ops) {
      op_observer.emplace([this](const OpInfo& op) { op_ended(op); });
      backward_observer.emplace([this](const OpInfo& op, bool begins) { backward_changed(op, begins); });
    }
    open.push_back({number_of(name), now()});
    mark = open.back().begin;
  }

  void end_phase() {
    const Open ended = open.back();
    open.pop_back();
    mark = now();
    const Nanoseconds duration = mark - ended.begin;
    totals[ended.name].time += duration - ended.inner;
    ++totals[ended.name].calls;
    if (!open.empty()) open.back().inner += duration;
    keep({static_cast<std::uint32_t>(ended.name), Event::phase, ended.begin, duration});
    if (open.empty()) {
      backward_observer.reset();
      op_observer.reset();
      backward_begin.clear();  // an exception may have left a backward without its end
    }
  }

  void op_ended(const OpInfo& op) {
    if (!backward_begin.empty()) return;  // part of a backward, which is measured as a whole
    const std::uint32_t number = number_of(op);
    const Nanoseconds begin = mark;
    mark = now();
    forward[number].time += mark - begin;
    ++forward[number].calls;
    keep({number, Event::forward, begin, mark - begin});
  }

  void backward_changed(const OpInfo& op, bool begins) {
    if (begins) {
      backward_begin.push_back(now());
      return;
    }
    if (backward_begin.empty()) return;
    const Nanoseconds begin = backward_begin.back();
    backward_begin.pop_back();
    mark = now();
    if (!backward_begin.empty()) return;  // inside another one
    const std::uint32_t number = number_of(op);
    backward[number].time += mark - begin;
    ++backward[number].calls;
    keep({number, Event::backward, begin, mark - begin});
  }
};

Profile::Phase::Phase(Profile& profile, std::string_view name) : profile_(&profile) { next(name); }

void Profile::Phase::next(std::string_view name) {
  end();
  profile_->impl_->begin_phase(name);
  depth_ = profile_->impl_->open.size();
  running_ = true;
}

void Profile::Phase::end() {
  if (!running_) return;
  running_ = false;
  // Inner phases that are still running end with this one.
  while (profile_->impl_->open.size() >= depth_) profile_->impl_->end_phase();
}

Profile::Profile(const ProfileOptions& options) : impl_(std::make_unique<Impl>()) { impl_->options = options; }
Profile::~Profile() = default;

double Profile::seconds() const { return to_seconds(impl_->now()); }

std::vector<ProfileRow> Profile::phases() const {
  std::vector<ProfileRow> rows;
  for (std::size_t i = 0; i < impl_->names.size(); ++i)
    rows.push_back({impl_->names[i], to_seconds(impl_->totals[i].time), impl_->totals[i].calls});
  return rows;
}

std::vector<ProfileRow> Profile::ops() const {
  // By name: custom functions have an OpInfo for every use.
  std::map<std::string, Totals> by_name;
  const auto add = [&](const std::string& name, const Totals& totals) {
    if (totals.calls == 0) return;
    by_name[name].time += totals.time;
    by_name[name].calls += totals.calls;
  };
  for (std::size_t i = 0; i < impl_->op_names.size(); ++i) {
    const std::string name = impl_->op_names[i]->name;
    add(name, impl_->forward[i]);
    add(name + ", backward", impl_->backward[i]);
  }
  std::vector<ProfileRow> rows;
  for (const auto& [name, totals] : by_name) rows.push_back({name, to_seconds(totals.time), totals.calls});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  return rows;
}

std::string Profile::table() const {
  const double all = seconds();
  const std::vector<ProfileRow> measured = phases(), all_ops = ops();
  std::size_t width = 8;
  for (const ProfileRow& phase : measured) width = std::max(width, phase.name.size());
  constexpr std::size_t most = 20;
  for (std::size_t i = 0; i < std::min(most, all_ops.size()); ++i) width = std::max(width, all_ops[i].name.size());
  std::string text =
      fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>10}\n", "phase", width, "seconds", "share", "calls", "each");
  double inside = 0;
  for (const ProfileRow& phase : measured) {
    text += row(phase.name, width, phase, all);
    inside += phase.seconds;
  }
  text += fmt::format("{:<{}} {:>9.3f} {:>7.1f} %\n", "other", width, std::max(0.0, all - inside),
                      all > 0 ? 100 * std::max(0.0, all - inside) / all : 0.0);
  text += fmt::format("{:<{}} {:>9.3f}\n", "together", width, all);
  if (all_ops.empty()) return text;
  text += fmt::format("\n{:<{}} {:>9} {:>9} {:>9} {:>10}\n", "op", width, "seconds", "share", "calls", "each");
  for (std::size_t i = 0; i < std::min(most, all_ops.size()); ++i) text += row(all_ops[i].name, width, all_ops[i], all);
  if (all_ops.size() > most) text += fmt::format("and {} more\n", all_ops.size() - most);
  return text;
}

std::string Profile::trace() const {
  if (!impl_->options.trace) fail(ErrorKind::argument, "Profile: it keeps no trace; make it with {{.trace = true}}");
  using nlohmann::ordered_json;
  const auto text = [](const std::string& name) {
    return ordered_json(name).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  };
  std::string json =
      "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"events left out\":" + std::to_string(impl_->left_out) +
      "},\"traceEvents\":[\n";
  json += R"({"ph":"M","pid":1,"tid":1,"name":"process_name","args":{"name":"training"}})";
  for (const Event& event : impl_->events) {
    const bool phase = event.kind == Event::phase;
    std::string name = phase ? impl_->names[event.name] : impl_->op_names[event.name]->name;
    if (event.kind == Event::backward) name += ", backward";
    json +=
        fmt::format(",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"cat\":\"{}\",\"name\":{},\"ts\":{:.3f},\"dur\":{:.3f}}}",
                    phase ? "phase" : "op", text(name), 1e-3 * static_cast<double>(event.begin),
                    1e-3 * static_cast<double>(event.duration));
  }
  return json + "\n]}\n";
}

void Profile::save_trace(const std::string& path) const { data::write_file(path, trace()); }

void Profile::reset() {
  if (!impl_->open.empty()) fail(ErrorKind::argument, "Profile: reset() inside a phase");
  const ProfileOptions options = impl_->options;
  impl_ = std::make_unique<Impl>();
  impl_->options = options;
}

}  // namespace saw::train
