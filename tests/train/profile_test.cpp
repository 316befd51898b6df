// Profiles: whose time is whose, and a trace that other programs read.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/matmul.h"
#include "saw/autograd/ops/softmax.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/train/profile.h"
#include "support/errors.h"
#include "support/files.h"

using namespace saw;
using train::Profile;

namespace {

void wait(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

const train::ProfileRow* find(const std::vector<train::ProfileRow>& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("phases follow each other, nest, and add up") {
  Profile profile;
  for (int step = 0; step < 2; ++step) {
    auto phase = profile.phase("forward");
    wait(5);
    phase.next("backward");
    {
      const auto inner = profile.phase("reading");
      wait(20);
    }
  }
  const auto rows = profile.phases();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].name == "forward");
  CHECK(rows[0].calls == 2);
  CHECK(rows[0].seconds >= 0.010);
  CHECK(find(rows, "reading")->seconds >= 0.040);
  CHECK(find(rows, "backward")->calls == 2);
  CHECK(find(rows, "backward")->seconds <
        find(rows, "reading")->seconds);  // the inner one's time is not the outer one's
  double sum = 0;
  for (const auto& row : rows) sum += row.seconds;
  CHECK(sum <= profile.seconds());
  const std::string table = profile.table();
  CHECK(table.find("\nforward ") != std::string::npos);
  CHECK(table.find("\nother ") != std::string::npos);
  CHECK(profile.ops().empty());
  CHECK(table.find("\nop ") == std::string::npos);
}

TEST_CASE("an exception ends its phases, an outer phase ends the inner ones") {
  Profile profile;
  try {
    const auto outer = profile.phase("outer");
    const auto inner = profile.phase("inner");
    throw 1;
  } catch (int) {
  }
  {
    auto outer = profile.phase("outer");
    auto inner = profile.phase("inner");
    outer.end();
    outer.end();
    inner.end();  // has ended already, and ends nothing else
  }
  CHECK(find(profile.phases(), "outer")->calls == 2);
  CHECK(find(profile.phases(), "inner")->calls == 2);
  {
    const auto open = profile.phase("open");
    CHECK(test::kind_of([&] { profile.reset(); }) == ErrorKind::argument);
  }
  profile.reset();
  CHECK(profile.phases().empty());
}

TEST_CASE("ops are counted forward and backward, inside phases only") {
  Profile profile({.ops = true, .trace = true});
  const Tensor x = randn({8, 8}).set_requires_grad(true);
  softmax(x);
  {
    auto phase = profile.phase("forward");
    const Tensor y = matmul(softmax(x), x).sum();
    phase.next("backward");
    y.backward();
  }
  softmax(x);
  const auto ops = profile.ops();
  REQUIRE(find(ops, "softmax") != nullptr);
  CHECK(find(ops, "softmax")->calls == 1);
  REQUIRE(find(ops, "softmax, backward") != nullptr);
  CHECK(find(ops, "softmax, backward")->calls == 1);
  CHECK(find(ops, "matmul")->calls == 1);  // those that its backward runs are part of that
  CHECK(find(ops, "matmul, backward")->calls == 1);
  CHECK(std::is_sorted(ops.begin(), ops.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; }));
  CHECK(profile.table().find("matmul, backward") != std::string::npos);

  const test::TemporaryDirectory directory;
  const std::string path = (directory / "trace.json").string();
  profile.save_trace(path);
  const auto trace = nlohmann::json::parse(test::read_file(path));
  int phases = 0, in_backward = 0;
  double begin = 0, end = 0;
  for (const auto& event : trace.at("traceEvents"))
    if (event.value("name", "") == "backward" && event.value("cat", "") == "phase") {
      begin = event.at("ts").get<double>();
      end = begin + event.at("dur").get<double>();
    }
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") != "X") continue;
    phases += event.at("cat") == "phase";
    const double from = event.at("ts").get<double>(), to = from + event.at("dur").get<double>();
    if (event.at("name") == "softmax, backward") in_backward += from >= begin - 0.002 && to <= end + 0.002;
  }
  CHECK(phases == 2);
  CHECK(in_backward == 1);
}

TEST_CASE("a trace has its limit, and a profile without one says so") {
  Profile profile({.trace = true, .trace_events = 2});
  for (int i = 0; i < 5; ++i) const auto phase = profile.phase("a \"phase\"\xff");
  const auto trace = nlohmann::json::parse(profile.trace());
  CHECK(trace.at("traceEvents").size() == 3);  // one names the process
  CHECK(trace.at("otherData").at("events left out") == 3);
  CHECK(profile.phases()[0].calls == 5);
  const Profile none;
  CHECK(test::kind_of([&] { none.trace(); }) == ErrorKind::argument);
  CHECK(test::kind_of([&] { profile.save_trace("/nowhere/trace.json"); }) == ErrorKind::io);
}
