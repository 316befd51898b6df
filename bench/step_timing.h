#pragma once

// Times training steps, and their matrix products alone: as saw cuts them over its threads, and as whole calls of
// OpenBLAS with its own threads.

#include <cblas.h>
#include <fmt/format.h>
#include <omp.h>
#include <saw/autograd/kernels/gemm.h>
#include <saw/saw.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "gemm_log.h"

namespace saw::bench {

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

enum class Products {
  of_saw,        ///< saw's own kernels
  of_open_blas,  ///< a call of cblas_sgemm each; the small ones of a batch on one thread each all the same
};

/// The products of a log alone, on data of their own: large ones over the threads, the small ones of a batch on one
/// thread each. Fastest of `rounds` passes, in seconds.
inline double time_of_products(const std::vector<kernels::GemmShape>& shapes, std::int64_t rounds, Products products) {
  const auto blas = [](const kernels::GemmShape& s, const float* x, std::int64_t ldx, const float* y, std::int64_t ldy,
                       float* z) {
    const auto flag = [](bool transpose) { return transpose ? CblasTrans : CblasNoTrans; };
    cblas_sgemm(CblasRowMajor, flag(s.transpose_a), flag(s.transpose_b), static_cast<blasint>(s.m),
                static_cast<blasint>(s.n), static_cast<blasint>(s.k), 1.0f, x, static_cast<blasint>(ldx), y,
                static_cast<blasint>(ldy), 0.0f, z, static_cast<blasint>(s.n));
  };
  std::size_t a_size = 0, b_size = 0, c_size = 0;
  for (const auto& s : shapes) {
    a_size = std::max(a_size, static_cast<std::size_t>(s.m * s.k));
    b_size = std::max(b_size, static_cast<std::size_t>(s.k * s.n));
    c_size = std::max(c_size, static_cast<std::size_t>(s.m * s.n));
  }
  const std::vector<float> a(a_size, 0.5f), b(b_size, 0.25f);
  std::vector<std::vector<float>> results(static_cast<std::size_t>(num_threads()) + 1, std::vector<float>(c_size));
  double fastest = 1e30;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const train::Stopwatch watch;
    for (const auto& s : shapes) {
      const std::int64_t lda = s.transpose_a ? s.m : s.k, ldb = s.transpose_b ? s.k : s.n;
      if (s.repeats == 1 && products == Products::of_open_blas) {
        omp_set_num_threads(num_threads());
        blas(s, a.data(), lda, b.data(), ldb, results[0].data());
        continue;
      }
      if (s.repeats == 1) {
        kernels::gemm_parallel(s.transpose_a, s.transpose_b, s.m, s.n, s.k, a.data(), lda, b.data(), ldb,
                               results[0].data(), s.n, false);
        continue;
      }
      const std::int64_t halves = num_threads();
      const std::int64_t grain = (s.repeats + halves - 1) / halves;
      parallel_for(0, s.repeats, grain, [&](std::int64_t begin, std::int64_t end) {
        float* c = results[static_cast<std::size_t>(begin / grain) + 1].data();
        omp_set_num_threads(1);
        for (std::int64_t i = begin; i < end; ++i)
          if (products == Products::of_open_blas)
            blas(s, a.data(), lda, b.data(), ldb, c);
          else
            kernels::gemm(s.transpose_a, s.transpose_b, s.m, s.n, s.k, a.data(), lda, b.data(), ldb, c, s.n, false);
      });
    }
    fastest = std::min(fastest, watch.seconds());
  }
  return fastest;
}

/// Equal small products together, as the kernels that make them would run them.
inline std::vector<kernels::GemmShape> merge_repeats(const std::vector<kernels::GemmShape>& shapes) {
  std::map<std::tuple<bool, bool, std::int64_t, std::int64_t, std::int64_t>, std::int64_t> small;
  std::vector<kernels::GemmShape> merged;
  for (const auto& s : shapes) {
    if (s.m * s.n * s.k == 0) continue;
    if (s.repeats == 1)
      merged.push_back(s);
    else
      small[{s.transpose_a, s.transpose_b, s.m, s.n, s.k}] += s.repeats;
  }
  for (const auto& [shape, repeats] : small) {
    const auto& [ta, tb, m, n, k] = shape;
    merged.push_back({ta, tb, m, n, k, sizeof(float), repeats});
  }
  return merged;
}

inline long minor_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

struct StepTiming {
  std::int64_t steps = 40;  ///< different steps in a round
  std::int64_t rounds = 5;
};

/// Runs step(i) for i = 0 … steps − 1 in each round, steps and products in turns, and prints what they cost. step
/// returns how many rows it saw, of which `unit` is the name.
template <class Step>
void time_steps(Step step, const char* unit, const StepTiming& options) {
  // The same steps every round: the first warms the allocator, the later ones are steady.
  const auto count = static_cast<std::size_t>(options.steps);
  for (std::size_t i = 0; i < count; ++i) step(i);
  reset_peak_memory();
  const MemoryStats before = memory_stats();
  const long faults_before = minor_faults();
  std::vector<double> seconds, product_seconds, blas_seconds, ratios, blas_ratios;
  double flops = 0;
  std::int64_t rows = 0;
  std::vector<kernels::GemmShape> shapes;
  {
    const GemmLog log;
    for (std::size_t i = 0; i < count; ++i) rows += step(i);
    shapes = merge_repeats(log.shapes());
  }
  for (const auto& s : shapes) flops += 2.0 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k * s.repeats);
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const train::Stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) step(i);
    seconds.push_back(watch.seconds() / static_cast<double>(count));
    product_seconds.push_back(time_of_products(shapes, 2, Products::of_saw) / static_cast<double>(count));
    blas_seconds.push_back(time_of_products(shapes, 2, Products::of_open_blas) / static_cast<double>(count));
    ratios.push_back(seconds.back() / product_seconds.back());
    blas_ratios.push_back(seconds.back() / blas_seconds.back());
  }
  const MemoryStats after = memory_stats();
  const double steps = static_cast<double>(count) * static_cast<double>(options.rounds + 1);
  const double per_step = median(seconds), products = median(product_seconds);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{:.0f} {} a step, {} different batches\n", static_cast<double>(rows) / static_cast<double>(count), unit,
             count);
  fmt::print("step                {:8.2f} ms   {:.0f} {}/s\n", 1e3 * per_step,
             static_cast<double>(rows) / static_cast<double>(count) / per_step, unit);
  const auto print_products = [&](const char* name, double alone, const std::vector<double>& over) {
    fmt::print("{:<19} {:8.2f} ms   {:.2f} GFLOP, {:.1f} GFLOP/s; the step is {:.2f} times that ({:.2f} to {:.2f})\n",
               name, 1e3 * alone, flops / static_cast<double>(count) * 1e-9,
               flops / static_cast<double>(count) / alone * 1e-9, median(over),
               *std::min_element(over.begin(), over.end()), *std::max_element(over.begin(), over.end()));
  };
  print_products("products alone", products, ratios);
  print_products("whole in OpenBLAS", median(blas_seconds), blas_ratios);
  fmt::print("peak                {:8.1f} MB of tensors; {:.1f} MB resident at most\n",
             static_cast<double>(after.peak_bytes) * 1e-6, static_cast<double>(usage.ru_maxrss) * 1024e-6);
  fmt::print("allocations         {:8.0f} a step, {:.3f} of them from the system; {:.1f} page faults a step\n",
             static_cast<double>(after.allocations - before.allocations) / steps,
             static_cast<double>(after.system_allocations - before.system_allocations) / steps,
             static_cast<double>(minor_faults() - faults_before) / steps);
}

}  // namespace saw::bench
