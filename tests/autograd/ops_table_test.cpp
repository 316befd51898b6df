// docs/ops.md is the registry in words. SAW_UPDATE_DOCS=1 in the environment writes it anew.

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "saw/autograd/registry.h"
#include "support/files.h"

namespace {

std::string table() {
  std::string text =
      "# Ops\n\nAll ops of the registry, by family. Generated from it: `SAW_UPDATE_DOCS=1 build/tests/test_autograd "
      "--test-case='docs/ops.md*'`.\n\n| op | formula | gradient |\n|---|---|---|\n";
  for (const saw::OpInfo* op : saw::op_registry()) {
    std::string formula = op->formula;
    for (std::size_t at = 0; (at = formula.find('|', at)) != std::string::npos; at += 2) formula.insert(at, 1, '\\');
    text += "| `" + std::string(op->name) + "` | " + formula + " | " + (op->differentiable ? "yes" : "none") + " |\n";
  }
  return text;
}

}  // namespace

TEST_CASE("docs/ops.md is the table of the registry") {
  const auto file = test::directory().parent_path() / "docs" / "ops.md";
  if (std::getenv("SAW_UPDATE_DOCS") != nullptr) test::write_file(file, table());
  CHECK(test::read_file(file) == table());
}
