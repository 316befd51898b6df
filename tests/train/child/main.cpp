// A small training through train::Run, which tests start, kill and start again. Its batches, dropout, schedule, average
// and evaluations are there so that each of them can go wrong.

#include <fmt/format.h>
#include <saw/saw.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

using namespace saw;

namespace {

struct Net : nn::Module {
  nn::Linear& hidden = child<nn::Linear>("hidden", 6, 16);
  nn::Dropout& dropout = child<nn::Dropout>("dropout", 0.2);
  nn::Linear& out = child<nn::Linear>("out", 16, 3);
  Tensor forward(const Tensor& x) {
    const auto scope = enter(x);
    return scope.output(out.forward(dropout.forward(tanh(hidden.forward(x)))));
  }
};

/// Eight rows at a time, in another order in each epoch; an epoch has 7 batches.
class Batches {
 public:
  std::vector<std::int64_t> next() {
    std::vector<std::int64_t> order(56);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    const RandomStream random(7, static_cast<std::uint64_t>(epoch_));
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[static_cast<std::size_t>(random.integer(i, 0, static_cast<std::int64_t>(i)))]);
    std::vector<std::int64_t> rows(order.begin() + 8 * position_, order.begin() + 8 * position_ + 8);
    if (++position_ == 7) ++epoch_, position_ = 0;
    return rows;
  }
  bool epoch_ended() const { return position_ == 0; }

  StateDict state_dict() const { return {{"position", tensor(std::vector<std::int64_t>{epoch_, position_}, {2})}}; }
  void load_state_dict(const StateDict& state) {
    const auto values = find_tensor(state, "position").to_vector<std::int64_t>();
    epoch_ = values.at(0);
    position_ = values.at(1);
  }

 private:
  std::int64_t epoch_ = 0, position_ = 0;
};

struct Options {
  train::RunOptions run;
  std::int64_t steps = 60, seed = 1, milliseconds = 0, nan_at = -1, patience = 0, file_limit = 0, raise_at = -1;
  double learning_rate = 1e-2;
  std::string metrics;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--resume") {
      options.run.resume = true;
      continue;
    }
    if (i + 1 == argc) throw Error(ErrorKind::argument, "no value for " + name);
    const std::string value = argv[++i];
    const auto number = [&] { return std::atoll(value.c_str()); };
    if (name == "--save") options.run.folder = value;
    if (name == "--steps") options.steps = number();
    if (name == "--seed") options.seed = number();
    if (name == "--sleep") options.milliseconds = number();
    if (name == "--nan-at") options.nan_at = number();
    if (name == "--patience") options.patience = number();
    if (name == "--file-limit") options.file_limit = number();
    if (name == "--raise-at") options.raise_at = number();
    if (name == "--learning-rate") options.learning_rate = std::atof(value.c_str());
    if (name == "--metrics") options.metrics = value;
    if (name == "--checkpoint-steps") options.run.checkpoint_steps = number();
  }
  options.run.arithmetic = {{"--seed", std::to_string(options.seed)}};
  return options;
}

void run(const Options& options) {
  manual_seed(static_cast<std::uint64_t>(options.seed));
  const Tensor inputs = randn({56, 6}), labels = randint(0, 3, {56});
  Net net;
  optim::AdamW adam(net.parameters(), {.learning_rate = options.learning_rate});
  optim::Schedule schedule(adam, optim::CosineWithWarmup{.warmup_steps = 5, .total_steps = options.steps});
  optim::ExponentialMovingAverage average(net.parameters(), {.decay = 0.9});
  Batches batches;
  std::int64_t rows_seen = 0;
  std::ofstream metrics;

  train::Run run(options.run, {.steps = options.steps, .metric = "accuracy", .patience = options.patience});
  run.track("model", net);
  run.track("adam", adam);
  run.track("schedule", schedule);
  run.track("average", average);
  run.track("batches", batches);
  run.track("rows_seen", rows_seen);
  run.describe({.model = "net", .options = {{"width", 16}}, .parts = {{"labels", "a\nb\nc\n"}}});
  if (!options.metrics.empty())
    run.observe({.name = "metrics",
                 .began = [&](std::int64_t step) { metrics.open(options.metrics + "." + std::to_string(step)); },
                 .stepped =
                     [&](std::int64_t step, const train::RunRecord&) {
                       if (step == 3) throw Error(ErrorKind::io, "metrics.jsonl: the disk is full");
                       metrics << step << std::endl;
                     }});
  run.resume();
  if (options.file_limit > 0) {  // as a disk that fills up while the training runs
    const rlimit limit{static_cast<rlim_t>(options.file_limit), static_cast<rlim_t>(options.file_limit)};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  while (run.next_step()) {
    net.train();
    const std::vector<std::int64_t> rows = batches.next();
    const Tensor numbers = tensor(rows, {static_cast<std::int64_t>(rows.size())});
    Tensor logits = net.forward(index_select(inputs, 0, numbers));
    if (run.step() + 1 == options.nan_at) logits = log(logits * 0.0 - 1.0);
    const Tensor loss = nn::cross_entropy(logits, index_select(labels, 0, numbers));
    adam.zero_grad();
    loss.backward();
    adam.step();
    schedule.step();
    average.update();
    rows_seen += static_cast<std::int64_t>(rows.size());
    if (options.milliseconds > 0) std::this_thread::sleep_for(std::chrono::milliseconds(options.milliseconds));
    if (run.step() + 1 == options.raise_at) std::raise(SIGTERM);
    run.finish_step({{"loss", loss.item()}});
    if (batches.epoch_ended()) run.finish_epoch();
    if (run.evaluation_is_due()) {
      const NoGradGuard no_grad;
      const auto averaged = average.applied();
      net.eval();
      const double accuracy = to(equal(argmax(net.forward(inputs)), labels), float64).mean().item();
      const double mean_loss = run.mean("loss");
      const bool improved = run.evaluated({{"accuracy", accuracy}});
      fmt::print("step {} epoch {} loss {:.17g} accuracy {:.4f}{}\n", run.step(), run.epoch(), mean_loss, accuracy,
                 improved ? " best" : "");
      std::fflush(stdout);
    }
  }
  run.finish();
  fmt::print("finished at step {}, best {:.4f} at step {}, {} rows{}\n", run.step(), run.best(), run.best_step(),
             rows_seen, run.stopped_early() ? ", stopped early" : "");
}

}  // namespace

int main(int argc, char** argv) {
  return train::run_program("run_child", [&] { run(parse(argc, argv)); });
}
