#include "saw/nn/summary.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "saw/autograd/base/internal/check.h"

namespace saw::nn {
namespace {

using Row = std::array<std::string, 4>;  // module, type, parameter, count

/// 1282193 → "1,282,193".
std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3;) digits.insert(i -= 3, 1, ',');
  return digits;
}

std::string readable_bytes(std::size_t bytes) {
  const double size = static_cast<double>(bytes);
  if (size < 1024.0) return fmt::format("{} bytes", bytes);
  if (size < 1024.0 * 1024.0) return fmt::format("{:.1f} KiB", size / 1024.0);
  return fmt::format("{:.1f} MiB", size / (1024.0 * 1024.0));
}

struct Table {
  std::vector<Row> rows;
  TensorList counted;
  std::int64_t total = 0;
  std::int64_t trainable = 0;
  std::size_t bytes = 0;

  void add(const std::string& name, const Module& module, std::size_t depth) {
    std::string label = std::string(2 * depth, ' ') + name;
    std::string type = module.type_name();
    const StateDict parameters = module.own_parameters();
    if (parameters.empty()) rows.push_back({label, type, "", ""});
    for (const auto& [own_name, tensor] : parameters) {
      rows.push_back({label, type, fmt::format("{} {}", own_name, tensor.shape()), count(tensor)});
      label.clear();
      type.clear();
    }
    for (const auto& [child_name, child] : module.children()) add(child_name, *child, depth + 1);
  }

  std::string count(const Tensor& tensor) {
    if (std::any_of(counted.begin(), counted.end(), [&](const Tensor& other) { return other.is_same(tensor); }))
      return "tied";
    counted.push_back(tensor);
    total += tensor.numel();
    if (tensor.requires_grad()) trainable += tensor.numel();
    bytes += static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
    return with_commas(tensor.numel());
  }
};

/// Columns are counted in bytes: names of modules and types are ASCII in practice.
std::string aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line = fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}", row[0], widths[0], row[1], widths[1], row[2],
                                   widths[2], row[3], widths[3]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line;
    text += '\n';
  }
  return text;
}

}  // namespace

std::string summary(const Module& model) {
  Table table;
  table.rows.push_back({"module", "type", "parameters", "count"});
  table.add(model.name().empty() ? "(model)" : model.name(), model, 0);
  return aligned(table.rows) + fmt::format("{} parameters ({} trainable), {}\n", with_commas(table.total),
                                           with_commas(table.trainable), readable_bytes(table.bytes));
}

}  // namespace saw::nn
