// Adam's step on one parameter (Kingma and Ba, algorithm 1).
//
//     m_t = beta1 m + (1 - beta1) g,    v_t = beta2 v + (1 - beta2) g^2
//     theta_t = theta - learning_rate m_hat / (sqrt(v_hat) + epsilon)
//
// Every number goes through memory once; XLA computes theta_t, m_t and v_t in three loops, each of which
// reads g, m and v again.

#include <algorithm>
#include <cmath>

#include "shared.h"

namespace {

constexpr size_t TOGETHER = 1 << 15;  // numbers per task

struct Rates {
  float beta1, beta2, epsilon;
  float alpha;    // factor of m_t: the learning rate divided by m's bias correction
  float v_scale;  // factor of v_t: 1 / bias correction
};

// The factor of the learning rate at update t of `last`: it falls to 0 over the last `falling` updates.
double left(double t, double last, double falling) {
  return falling > 0 ? std::min(1.0, std::max(0.0, (last + 1 - t) / falling)) : 1;
}

// If epsilon is added to the uncorrected moment ("theano"), v's correction is part of alpha.
Rates rates(double t, double learning_rate, float beta1, float beta2, float epsilon,
            bool uncorrected) {
  double m_left = 1 - std::pow(double(beta1), t), v_left = 1 - std::pow(double(beta2), t);
  double alpha = learning_rate / m_left * (uncorrected ? std::sqrt(v_left) : 1);
  return {beta1, beta2, epsilon, float(alpha), float(uncorrected ? 1 : 1 / v_left)};
}

// The outputs may alias the inputs: every number is read before it is written.
void descend(const Rates& r, size_t size, const float* theta, const float* m, const float* v,
             const float* g, float* theta_t, float* m_t, float* v_t) {
#pragma GCC ivdep
  for (size_t i = 0; i < size; ++i) {
    float first = r.beta1 * m[i] + (1 - r.beta1) * g[i];
    float second = r.beta2 * v[i] + (1 - r.beta2) * (g[i] * g[i]);
    theta_t[i] = theta[i] - r.alpha * first / (std::sqrt(second * r.v_scale) + r.epsilon);
    m_t[i] = first;
    v_t[i] = second;
  }
}

ffi::Error Descend(ffi::ThreadPool pool, Array theta, Array m, Array v, Array g, Array t,
                   Result theta_t, Result m_t, Result v_t, float learning_rate, float beta1,
                   float beta2, float epsilon, float uncorrected, float last, float falling) {
  size_t size = theta.element_count();
  if (m.element_count() != size || v.element_count() != size || g.element_count() != size ||
      t.element_count() != 1)
    return ffi::Error::InvalidArgument("no parameter with its moments and gradient");
  double step = t.typed_data()[0], rate = learning_rate * left(step, last, falling);
  Rates r = rates(step, rate, beta1, beta2, epsilon, uncorrected != 0);
  parallel(pool, (size + TOGETHER - 1) / TOGETHER, [&](int task) {
    size_t at = task * TOGETHER;
    descend(r, std::min(TOGETHER, size - at), theta.typed_data() + at, m.typed_data() + at,
            v.typed_data() + at, g.typed_data() + at, theta_t->typed_data() + at,
            m_t->typed_data() + at, v_t->typed_data() + at);
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_descend, Descend,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>().Ret<Array>().Ret<Array>()
                                  .Attr<float>("learning_rate")
                                  .Attr<float>("beta1")
                                  .Attr<float>("beta2")
                                  .Attr<float>("epsilon")
                                  .Attr<float>("uncorrected")
                                  .Attr<float>("last")
                                  .Attr<float>("falling"));
