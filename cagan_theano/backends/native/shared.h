// Shared by all CPU kernels: vectors of the processor's width, memory, threads.

#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include <sys/mman.h>

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

// An address range from which blocks are allocated, always the lowest free block that is large enough.
// The pages that were ever touched, which the process keeps, then hardly exceed the peak allocation.
class Region {
 public:
  explicit Region(size_t bytes) {
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* at = bytes ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kind, -1, 0) : MAP_FAILED;
    if (at == MAP_FAILED) return;
    begin_ = static_cast<char*>(at);
    free_[0] = bytes;
#ifdef MADV_HUGEPAGE
    madvise(at, bytes, MADV_HUGEPAGE);
#endif
  }
  // Allocate a block; null if no free block is large enough.
  void* take(size_t bytes) {
    for (auto part = free_.begin(); part != free_.end(); ++part) {
      auto [at, size] = *part;
      if (size < bytes) continue;
      free_.erase(part);
      if (size > bytes) free_[at + bytes] = size - bytes;
      return begin_ + at;
    }
    return nullptr;
  }
  void give(void* data, size_t bytes) {
    auto part = free_.emplace(static_cast<char*>(data) - begin_, bytes).first;
    join(part, std::next(part));
    if (part != free_.begin()) join(std::prev(part), part);
  }

 private:
  using Parts = std::map<size_t, size_t>;  // start of a free block -> its size
  void join(Parts::iterator left, Parts::iterator right) {
    if (right == free_.end() || left->first + left->second != right->first) return;
    left->second += right->second;
    free_.erase(right);
  }
  char* begin_ = nullptr;
  Parts free_;
};

#ifdef __SANITIZE_ADDRESS__  // it knows the bounds of heap allocations, not of our blocks
constexpr size_t ADDRESSES = 0;
#else
constexpr size_t ADDRESSES = size_t(4) << 30;
#endif

// Temporary memory.  It is taken from a region whose touched pages are kept between calls, since fresh pages
// cost more than the arithmetic, or from the heap if the region is exhausted.
class Scratch {
 public:
  explicit Scratch(size_t floats) : bytes_((floats * sizeof(float) + 63) / 64 * 64) {
    {
      std::lock_guard<std::mutex> lock(mutex());
      data_ = region().take(bytes_);
    }
    lent_ = data_;
    if (!lent_) data_ = std::aligned_alloc(64, bytes_);
    if (!data_) throw std::bad_alloc();
  }
  ~Scratch() {
    if (lent_) {
      std::lock_guard<std::mutex> lock(mutex());
      region().give(data_, bytes_);
    } else {
      std::free(data_);
    }
  }
  Scratch(const Scratch&) = delete;
  float* data() const { return static_cast<float*>(data_); }

 private:
  static std::mutex& mutex() {
    static auto& m = *new std::mutex;  // never destroyed: threads may still run during static destruction
    return m;
  }
  static Region& region() {
    static auto& r = *new Region(ADDRESSES);
    return r;
  }
  size_t bytes_;
  bool lent_;
  void* data_;
};

// Call work(task) for every task, on XLA's threads and this one; results do not depend on the assignment.
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
