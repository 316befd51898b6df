#pragma once

#include <saw/autograd/kernels/gemm_log.h>

#include <mutex>
#include <vector>

namespace saw::bench {

/// Collects the products that all threads make while it lives.
class GemmLog : public kernels::GemmObserver {
 public:
  GemmLog() : previous_(kernels::set_gemm_observer(this)) {}
  ~GemmLog() override { kernels::set_gemm_observer(previous_); }
  GemmLog(const GemmLog&) = delete;
  GemmLog& operator=(const GemmLog&) = delete;

  void observe(const kernels::GemmShape& shape) override {
    const std::lock_guard lock(mutex_);
    shapes_.push_back(shape);
  }
  const std::vector<kernels::GemmShape>& shapes() const { return shapes_; }

 private:
  std::mutex mutex_;
  std::vector<kernels::GemmShape> shapes_;
  kernels::GemmObserver* previous_;
};

}  // namespace saw::bench
