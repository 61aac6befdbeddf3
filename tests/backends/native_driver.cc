// The kernels of cagan_theano/backends/native without XLA and Python: every way to compute a
// convolution and its gradients, norm and Adam's step, against plain loops in double.
// tests/backends/native_driver.py compiles and runs it, with sanitizers and for other processors too.

#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "adam.cc"
#include "convolution.cc"
#include "norm.cc"

namespace {

using Numbers = std::vector<float>;
using Exact = std::vector<double>;

int failures = 0;

Numbers random_numbers(size_t size) {
  static std::mt19937 generator(0);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Numbers made(size);
  for (float& x : made) x = uniform(generator);
  return made;
}

// Largest difference, relative to the largest value.
void compare(const char* what, const char* way, const Shape& s, const Numbers& found,
             const Exact& expected, double limit) {
  double largest = 0, apart = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    double difference = std::abs(found[i] - expected[i]);
    if (!(difference <= apart) && !std::isnan(apart)) apart = difference;
  }
  bool passed = apart <= limit * largest;
  failures += !passed;
  std::printf("%s  %-15s %-12s n=%d %dx%d, %d -> %d channels, %d taps: %.1e\n", passed ? "ok  " : "FAIL",
              what, way, s.n, s.height, s.width, s.inner, s.outer, s.taps, apart / largest);
}

// XLA's thread pool, here a thread for each task.
std::vector<std::thread> running;

XLA_FFI_Error* schedule(XLA_FFI_ThreadPool_Schedule_Args* args) {
  running.emplace_back(args->task, args->data);
  return nullptr;
}
XLA_FFI_Error* count_threads(XLA_FFI_ThreadPool_NumThreads_Args* args) {
  *args->num_threads = 3;
  return nullptr;
}

// visit(y's index, w's index, x's index) for every product of a convolution.
template <typename Visit>
void each_product(const Shape& s, const Visit& visit) {
  int pad = (s.taps - 1) / 2, k = s.taps;
  for (int n = 0; n < s.n; ++n)
    for (int o = 0; o < s.outer; ++o)
      for (int r = 0; r < s.height; ++r)
        for (int c = 0; c < s.width; ++c)
          for (int i = 0; i < s.inner; ++i)
            for (int t = 0; t < k * k; ++t) {
              int row = 2 * r + t / k - pad, column = 2 * c + t % k - pad;
              if (row < 0 || row >= 2 * s.height || column < 0 || column >= 2 * s.width) continue;
              visit(((size_t(n) * s.outer + o) * s.height + r) * s.width + c,
                    (size_t(o) * s.inner + i) * k * k + t,
                    ((size_t(n) * s.inner + i) * 2 * s.height + row) * 2 * s.width + column);
            }
}

template <size_t N>
void check_ways(ffi::ThreadPool& pool, const char* what, const Way (&ways)[N], const Shape& s,
                const Numbers& a, const Numbers& b, const Exact& expected) {
  for (const Way& way : ways) {
    Numbers found(expected.size(), NAN);
    way.run(pool, s, a.data(), b.data(), found.data());
    for (std::thread& thread : running) thread.join();
    running.clear();
    compare(what, way.name, s, found, expected, 2e-5);
  }
}

void check_convolutions(ffi::ThreadPool& pool, const Shape& s) {
  size_t pixels = size_t(s.n) * s.height * s.width;
  Numbers x = random_numbers(pixels * 4 * s.inner), dy = random_numbers(pixels * s.outer);
  Numbers w = random_numbers(size_t(s.inner) * s.outer * s.taps * s.taps);
  Exact y(dy.size()), dx(x.size()), dw(w.size());
  each_product(s, [&](size_t at_y, size_t at_w, size_t at_x) {
    y[at_y] += double(x[at_x]) * w[at_w];
    dx[at_x] += double(dy[at_y]) * w[at_w];
    dw[at_w] += double(dy[at_y]) * x[at_x];
  });
  check_ways(pool, "convolve", CONVOLVE, s, x, w, y);
  check_ways(pool, "deconvolve", DECONVOLVE, s, dy, w, dx);
  check_ways(pool, "weight_gradient", WEIGHT_GRADIENT, s, x, dy, dw);
}

void check_norm(int size) {
  Numbers x = random_numbers(size), dy = random_numbers(size), y(size), dx(size), sums(2);
  double gain = 1.5, shift = 0.25, epsilon = 1e-5, slope = 0.2, mean = 0, variance = 0;
  for (float v : x) mean += v / double(size);
  for (float v : x) variance += (v - mean) * (v - mean) / size;
  double scale = 1 / std::sqrt(variance + epsilon);
  Exact normal(size), g(size), expected(size), gradient(size), expected_sums(2);
  for (int i = 0; i < size; ++i) {
    normal[i] = (x[i] - mean) * scale;
    double z = normal[i] * gain + shift;
    expected[i] = z > 0 ? z : slope * z;
    g[i] = z > 0 ? dy[i] : slope * dy[i];
    expected_sums[0] += g[i] * normal[i];
    expected_sums[1] += g[i];
  }
  for (int i = 0; i < size; ++i)
    gradient[i] = (g[i] - expected_sums[1] / size - normal[i] * expected_sums[0] / size) * scale * gain;
  Shape s{1, 1, size, 1, 1, 0};
  normalize(x.data(), size, gain, shift, epsilon, slope, y.data());
  compare("normalize", "", s, y, expected, 1e-5);
  normalize_gradient(x.data(), dy.data(), size, gain, shift, epsilon, slope, dx.data(), &sums[0], &sums[1]);
  compare("its gradient", "", s, dx, gradient, 1e-5);
  compare("and its sums", "", s, sums, expected_sums, 1e-5);
}

void check_adam(int size) {
  Numbers theta = random_numbers(size), m = random_numbers(size), v = random_numbers(size);
  Numbers g = random_numbers(size), made(size);
  for (float& number : v) number = number * number;
  Exact expected(size);
  double t = 3, rate = 2e-3, beta1 = 0.5, beta2 = 0.75, epsilon = 1e-8;
  for (int i = 0; i < size; ++i) {
    double first = beta1 * m[i] + (1 - beta1) * g[i], second = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    double m_hat = first / (1 - std::pow(beta1, t)), v_hat = second / (1 - std::pow(beta2, t));
    expected[i] = theta[i] - rate * m_hat / (std::sqrt(v_hat) + epsilon);
  }
  descend(rates(t, rate, beta1, beta2, epsilon, false), size, theta.data(), m.data(), v.data(), g.data(),
          made.data(), m.data(), v.data());
  compare("Adam", "", Shape{1, 1, size, 1, 1, 0}, made, expected, 1e-6);
}

}  // namespace

int main() {
  XLA_FFI_Api api = {};
  api.XLA_FFI_ThreadPool_Schedule = schedule;
  api.XLA_FFI_ThreadPool_NumThreads = count_threads;
  ffi::DiagnosticEngine diagnostic;
  ffi::ThreadPool pool = *ffi::CtxDecoding<ffi::ThreadPool>::Decode(&api, nullptr, diagnostic);
  std::printf("vectors of %d numbers\n", LANES);
  for (int taps = 3; taps <= 5; ++taps)
    for (Shape s : {Shape{1, 1, 2, 33, 70, 0}, Shape{2, 9, 14, 4, 70, 0}, Shape{3, 5, 7, 7, 9, 0},
                    Shape{2, 9, 6, 20, 70, 0}, Shape{24, 18, 19, 3, 5, 0}}) {
      s.taps = taps;
      check_convolutions(pool, s);
    }
  for (int size : {5, 7, 64, 1000}) check_norm(size), check_adam(size);
  std::printf("%d failures\n", failures);
  return failures != 0;
}
