// What our functions for the CPU share: vectors of the processor's width, memory, threads.

#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }

int divide_up(int a, int b) { return (a + b - 1) / b; }
int round_up(int a, int b) { return divide_up(a, b) * b; }

// --- memory and threads

// Blocks that are handed back are kept for the next call: fresh pages cost more than the sums.
class Scratch {
 public:
  explicit Scratch(size_t floats) {
    std::lock_guard<std::mutex> lock(mutex());
    auto& spare = blocks();
    auto best = spare.end();
    for (auto it = spare.begin(); it != spare.end(); ++it)
      if (it->size >= floats && (best == spare.end() || it->size < best->size)) best = it;
    if (best != spare.end()) {
      block_ = *best;
      spare.erase(best);
      return;
    }
    if (!spare.empty()) {  // the largest is too small: it grows
      auto largest = std::max_element(spare.begin(), spare.end(),
                                      [](auto& a, auto& b) { return a.size < b.size; });
      std::free(largest->data);
      spare.erase(largest);
    }
    block_.size = floats;
    block_.data = static_cast<float*>(std::aligned_alloc(64, round_bytes(floats)));
    if (!block_.data) throw std::bad_alloc();
  }
  ~Scratch() {
    std::lock_guard<std::mutex> lock(mutex());
    blocks().push_back(block_);
  }
  Scratch(const Scratch&) = delete;
  float* data() const { return block_.data; }

 private:
  struct Block {
    float* data = nullptr;
    size_t size = 0;
  };
  static size_t round_bytes(size_t floats) { return (floats * sizeof(float) + 63) / 64 * 64; }
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  static std::vector<Block>& blocks() {
    static std::vector<Block> b;
    return b;
  }
  Block block_;
};

// work(task) for every task, on XLA's threads and this one; which thread takes one changes nothing.
template <typename Work>
void parallel(ffi::ThreadPool& pool, int tasks, const Work& work) {
  struct Shared {
    std::atomic<int> next{0}, done{0};
    std::mutex mutex;
    std::condition_variable finished;
  };
  auto shared = std::make_shared<Shared>();
  auto run = [shared, tasks, &work] {
    for (int task; (task = shared->next.fetch_add(1)) < tasks;) {
      work(task);
      if (shared->done.fetch_add(1) + 1 == tasks) {
        std::lock_guard<std::mutex> lock(shared->mutex);
        shared->finished.notify_all();
      }
    }
  };
  int helpers = std::min<int>(pool.num_threads(), tasks) - 1;
  for (int n = 0; n < helpers; ++n) pool.Schedule([run] { run(); });
  run();
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done.load() >= tasks; });
}

using Array = ffi::Buffer<ffi::F32>;
using Result = ffi::Result<Array>;

}  // namespace
