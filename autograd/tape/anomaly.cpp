#include <cmath>

#include "saw/autograd/base/internal/dispatch.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/tape/engine.h"
#include "saw/autograd/tape/internal/node.h"

namespace saw {
namespace {
thread_local bool anomaly_enabled = false;
}  // namespace

AnomalyGuard::AnomalyGuard() : saved_(anomaly_enabled) { anomaly_enabled = true; }
AnomalyGuard::~AnomalyGuard() { anomaly_enabled = saved_; }
bool is_anomaly_enabled() { return anomaly_enabled; }

bool all_finite(const Tensor& tensor) {
  if (!tensor.defined() || !is_floating(tensor.dtype())) return true;
  const NoGradGuard no_grad;
  const Tensor values = contiguous(tensor.detach());
  return dispatch_floating("all_finite", values.dtype(), [&]<class T>() {
    const T* data = values.data<T>();
    for (std::int64_t i = 0; i < values.numel(); ++i)
      if (!std::isfinite(data[i])) return false;
    return true;
  });
}

}  // namespace saw
