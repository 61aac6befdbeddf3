// Shared by all implementations of convolution: sizes, matrix products, transposes.
//
// Layouts are Aesara's own: images [N, C, H, W], kernels [K, C, k, k]; float32.

#pragma once

#include <cstring>

#include "shared.h"

namespace {

#if defined(__AVX512F__)
constexpr int VECTORS = 4;  // 24 sums of 4 vectors x 6 rows in 32 registers
#else
constexpr int VECTORS = 2;  // 12 sums in 16 registers
#endif
constexpr int ROWS = 6, COLUMNS = LANES * VECTORS;  // a product's block of sums
constexpr int TILE = 4;  // the side of Winograd's tiles
constexpr int MAX_TAPS = 25;

struct Shape {
  int n, height, width;  // of y; x has twice the sides
  int inner, outer;      // channels C of x and K of y
  int taps;

  int high() const { return divide_up(height, TILE); }  // tiles in a column of them
  int wide() const { return divide_up(width, TILE); }   // and in a row
  int strips() const { return n * high(); }
  int tiles() const { return strips() * wide(); }
};

// Tap t of a kernel reads row 2 (r + offset) + phase of x for row r of y.
struct Tap {
  int phase, offset;
  Tap(int t, int taps) : phase((t - (taps - 1) / 2) & 1), offset((t - (taps - 1) / 2 - phase) / 2) {}
};

// The stride between large blocks.  Sizes are often multiples of a page, and addresses that are whole pages
// apart compete for the same cache sets; one more cache line avoids that.
constexpr size_t apart(size_t floats) { return floats + 64 / sizeof(float); }

// Call work(first, count) for chunks of `together` items.
template <typename Work>
void each_group(ffi::ThreadPool& pool, int things, int together, const Work& work) {
  parallel(pool, divide_up(things, together), [&](int task) {
    work(task * together, std::min(together, things - task * together));
  });
}

// --- channels first to channels last and back

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int Places __attribute__((vector_size(16)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Places{__VA_ARGS__})
#endif

// to[column][row] = from[row][column] for 4x4 numbers.
inline void transpose4(const float* from, size_t from_step, float* to, size_t to_step) {
  Four r[4], pair[4];
  for (int i = 0; i < 4; ++i) r[i] = *reinterpret_cast<const Four*>(from + i * from_step);
  for (int i = 0; i < 2; ++i) {
    pair[i] = SHUFFLE(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
    pair[i + 2] = SHUFFLE(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
  }
  for (int i = 0; i < 2; ++i) {
    Four low = SHUFFLE(pair[2 * i], pair[2 * i + 1], 0, 1, 4, 5);
    Four high = SHUFFLE(pair[2 * i], pair[2 * i + 1], 2, 3, 6, 7);
    *reinterpret_cast<Four*>(to + 2 * i * to_step) = low;
    *reinterpret_cast<Four*>(to + (2 * i + 1) * to_step) = high;
  }
}

// to[column][row] = from[row][column]
void transpose(const float* from, size_t from_step, int rows, int columns, float* to,
               size_t to_step) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) {
    int c = 0;
    for (; c + 4 <= columns; c += 4)
      transpose4(from + r * from_step + c, from_step, to + c * to_step + r, to_step);
    for (; c < columns; ++c)
      for (int i = r; i < r + 4; ++i) to[c * to_step + i] = from[i * from_step + c];
  }
  for (; r < rows; ++r)
    for (int c = 0; c < columns; ++c) to[c * to_step + r] = from[r * from_step + c];
}

// --- products

// sums [R, V vectors] += left [R, depth] right [depth, V vectors]
template <int V, int R = ROWS>
struct Block {
  Vector sums[R][V] = {};

  void add(const float* left, size_t row_step, size_t depth_step, const float* right,
           size_t right_step, int depth) {
    for (int d = 0; d < depth; ++d) {
      Vector u[V];
      for (int v = 0; v < V; ++v) u[v] = load(right + d * right_step + v * LANES);
      for (int r = 0; r < R; ++r) {
        float x = left[r * row_step + d * depth_step];
        for (int v = 0; v < V; ++v) sums[r][v] += x * u[v];
      }
    }
  }
  void read(const float* from, size_t row_step) {
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) sums[r][v] = load(from + r * row_step + v * LANES);
  }
  void write(float* to, size_t row_step) const {
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) store(to + r * row_step + v * LANES, sums[r][v]);
  }
};

// to [rows, vectors] = or (more) += left [rows, depth] right [depth, vectors]
template <int V = VECTORS, int R = ROWS>
void multiply(int vectors, int rows, const float* left, size_t row_step, size_t depth_step,
              const float* right, size_t right_step, int depth, bool more, float* to, size_t to_step) {
  if constexpr (V > 1)
    if (vectors < V)
      return multiply<V - 1, R>(vectors, rows, left, row_step, depth_step, right, right_step, depth, more,
                                to, to_step);
  if constexpr (R > 1)
    if (rows < R)
      return multiply<V, R - 1>(vectors, rows, left, row_step, depth_step, right, right_step, depth, more,
                                to, to_step);
  Block<V, R> made;
  if (more) made.read(to, to_step);
  made.add(left, row_step, depth_step, right, right_step, depth);
  made.write(to, to_step);
}

}  // namespace
