#pragma once

#include <omp.h>

namespace saw::kernels {

/// saw's threads come from parallel_for alone, so OpenBLAS is to work on the thread that calls it. Its OpenMP build
/// asks OpenMP for the number of threads at every call; that number belongs to the calling thread, and is put back.
class OneBlasThread {
 public:
  OneBlasThread() : saved_(omp_get_max_threads()) {
    if (saved_ != 1) omp_set_num_threads(1);
  }
  ~OneBlasThread() {
    if (saved_ != 1) omp_set_num_threads(saved_);
  }
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;

 private:
  int saved_;
};

}  // namespace saw::kernels
