// Stride-2 convolutions and their two gradients by Winograd's minimal filtering F(4x4, 3x3).
//
// A stride-2 convolution is a stride-1 convolution of the four images made of the even and odd rows
// and columns ("phases"), each with 3 or fewer of the kernel's taps per side.  F(4x4, 3x3) computes 4x4
// outputs of one such convolution from 6x6 inputs with 36 multiplications, one at each pair (p, q) of
// the points 0, 1, -1, 2, -2, infinity, where the direct method takes 144.  Points at which a phase's
// kernel is always 0, since it has only 2 taps there, are skipped: a 5x5 kernel takes 121 instead of 400.
//
// The linear maps, in the usual notation, with x the input, w the kernel, y the output:
//     forward           y  = A' [ sum over phases, channels of (G w G') * (B' x B) ] A
//     input gradient    the same with the kernel's taps reversed, one phase of dx at a time
//     weight gradient   dw = G' [ sum over tiles of (A dy A') * (B' x B) ] G
//
// A row of tiles is copied to a strip with its channels last, padded with zeros to whole vectors of
// LANES, and all sums run over such vectors; GCC's and Clang's vector types adapt to the CPU.

#pragma once

#include "convolution.h"

namespace {
namespace winograd {

constexpr int SPAN = 6, POINTS = SPAN * SPAN;
constexpr int TILES_AT_ONCE = 48;  // tiles per task: their transforms stay in the cache
constexpr int TILES_TO_A_SUM = 512;  // tiles of a weight gradient in memory at once

// --- the one-dimensional maps; elements are `step` apart

inline void b_transposed(Vector* d, int step) {
  Vector d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
         d5 = d[5 * step];
  Vector even = d4 - 4 * d2, odd = d3 - 4 * d1, even2 = d4 - d2, odd2 = 2 * (d3 - d1);
  d[0] = 4 * d0 - 5 * d2 + d4;
  d[step] = even + odd;
  d[2 * step] = even - odd;
  d[3 * step] = even2 + odd2;
  d[4 * step] = even2 - odd2;
  d[5 * step] = 4 * d1 - 5 * d3 + d5;
}

inline void a_transposed(Vector* m, int step) {  // 6 -> 4
  Vector sum1 = m[step] + m[2 * step], difference1 = m[step] - m[2 * step];
  Vector sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
  m[0] = m[0] + sum1 + sum2;
  m[step] = difference1 + 2 * difference2;
  m[2 * step] = sum1 + 4 * sum2;
  m[3 * step] = difference1 + 8 * difference2 + m[5 * step];
}

inline void a(Vector* y, int step) {  // 4 -> 6
  Vector y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
  Vector even = y0 + y2, odd = y1 + y3, even2 = y0 + 4 * y2, odd2 = 2 * y1 + 8 * y3;
  y[step] = even + odd;
  y[2 * step] = even - odd;
  y[3 * step] = even2 + odd2;
  y[4 * step] = even2 - odd2;
  y[5 * step] = y3;
}

inline void g(const Vector* w, Vector* m) {  // 3 -> 6
  Vector sum = (w[0] + w[2]) * (1.f / 6), middle = w[1] * (1.f / 6);
  Vector even = w[0] * (1.f / 24) + w[2] * (1.f / 6), odd = w[1] * (1.f / 12);
  m[0] = w[0] * (1.f / 4);
  m[1] = -sum - middle;
  m[2] = middle - sum;
  m[3] = even + odd;
  m[4] = even - odd;
  m[5] = w[2];
}

inline void g_transposed(const Vector* m, Vector* w) {  // 6 -> 3
  Vector sum = (m[1] + m[2]) * (1.f / 6), sum2 = m[3] + m[4];
  w[0] = m[0] * (1.f / 4) - sum + sum2 * (1.f / 24);
  w[1] = (m[2] - m[1]) * (1.f / 6) + (m[3] - m[4]) * (1.f / 12);
  w[2] = sum2 * (1.f / 6) - sum + m[5];
}

// The tap of a kernel at each of a phase's three positions, or -1.
struct Kernel {
  int taps, at[2][3] = {{-1, -1, -1}, {-1, -1, -1}};

  Kernel(int taps, bool reversed) : taps(taps) {
    for (int t = 0; t < taps; ++t) {
      Tap tap(t, taps);
      at[tap.phase][reversed ? 1 - tap.offset : 1 + tap.offset] = t;
    }
  }
  // Whether a phase has taps at one of the SPAN points: the first and the last belong to a single position.
  bool active(int point, int phase) const {
    return point == 0 ? at[phase][0] >= 0 : point == SPAN - 1 ? at[phase][2] >= 0 : true;
  }
  bool has(int point, int phase) const {
    return active(point / SPAN, phase / 2) && active(point % SPAN, phase % 2);
  }
};

// The (point, phase) pairs in use, and their slots in the transformed kernel, ordered by phase.
struct Plan {
  Kernel kernel;
  int slot[POINTS][4], begin[4], slots = 0;  // begin: a phase's first
  Plan(int taps, bool reversed) : kernel(taps, reversed) {
    for (int phase = 0; phase < 4; ++phase) {
      begin[phase] = slots;
      for (int point = 0; point < POINTS; ++point)
        slot[point][phase] = kernel.has(point, phase) ? slots++ : -1;
    }
  }
};

// --- strips

// Strips per task: about TILES_AT_ONCE tiles, with tasks distributed evenly over the threads.
int strips_to_a_task(const Shape& s, int threads) {
  int tasks = divide_up(s.tiles(), TILES_AT_ONCE);
  return divide_up(s.strips(), round_up(tasks, std::max(threads, 1)));
}

// One side of the convolution, x (step 2) or y (step 1), and the strips of rows that its tiles need.
// A strip is [rows][columns][depth]; it begins `border` pixels above and left of its first tile.
struct Side {
  int channels, height, width, step, border, high;
  int depth, rows, columns;

  Side(const Shape& s, bool strided, bool bordered)
      : channels(strided ? s.inner : s.outer), height(s.height * (strided ? 2 : 1)),
        width(s.width * (strided ? 2 : 1)), step(strided ? 2 : 1), border(bordered ? step : 0),
        high(s.high()), depth(round_up(channels, LANES)), rows(TILE * step + 2 * border),
        columns(TILE * step * s.wide() + 2 * border) {}

  size_t floats() const { return size_t(rows) * columns * depth; }
  size_t picture() const { return size_t(channels) * height * width; }
  int first_row(int strip) const { return strip % high * TILE * step - border; }

  // The strip of an image [N, C, H, W], with zeros outside it and in the padding channels.
  void gather(const float* image, int strip, float* to) const {
    const float* picture_ = image + strip / high * picture();
    int top = first_row(strip), end = std::min(columns, width + border);
    for (int r = 0; r < rows; ++r) {
      float* row = to + size_t(r) * columns * depth;
      bool inside = top + r >= 0 && top + r < height;
      if (!inside || border || end < columns || depth > channels)
        std::memset(row, 0, size_t(columns) * depth * sizeof(float));
      if (inside)
        transpose(picture_ + size_t(top + r) * width, size_t(height) * width, channels,
                  end - border, row + border * depth, depth);
    }
  }

  // The inverse, for a side without border: the strip holds `count` channels starting at `first`.
  void scatter(const float* from, int strip, float* image, int first, int count) const {
    float* picture_ = image + strip / high * picture() + size_t(first) * height * width;
    int top = first_row(strip), end = std::min(columns, width);
    for (int r = 0; r < rows && top + r < height; ++r)
      transpose(from + size_t(r) * columns * depth, depth, end, count,
                picture_ + size_t(top + r) * width, size_t(height) * width);
  }

  // The same side with strips of another depth.
  Side of_depth(int channels_) const {
    Side part = *this;
    part.depth = channels_;
    return part;
  }

  // Pixel (i, j) of a tile in a strip, in the phase of even or odd rows and columns.
  size_t at(int tile, int i, int j, int phase) const {
    return (size_t(step * i + phase / 2) * columns + step * (TILE * tile + j) + phase % 2) * depth;
  }
};

// --- the two-dimensional maps of one tile, for one vector of channels

// B' x B of a tile: POINTS vectors, `stride` apart; those that no kernel reads are skipped.
inline void transform_input(const Plan& plan, const Side& side, const float* strip, int tile, int phase,
                            float* to, size_t stride) {
  Vector d[POINTS];
  for (int i = 0; i < SPAN; ++i)
    for (int j = 0; j < SPAN; ++j) d[i * SPAN + j] = load(strip + side.at(tile, i, j, phase));
  for (int j = 0; j < SPAN; ++j) b_transposed(d + j, SPAN);
  for (int i = 0; i < SPAN; ++i) b_transposed(d + i * SPAN, 1);
  for (int p = 0; p < POINTS; ++p)
    if (side.step == 1 || plan.slot[p][phase] >= 0) store(to + p * stride, d[p]);
}

// B' x B of every tile of a strip, for several phases: to[tile][phase][channel].
void transform_strip(const Plan& plan, const Side& side, const float* strip, int tiles, int phases,
                     float* to, size_t depth, size_t stride) {
  for (int tile = 0; tile < tiles; ++tile)
    for (int phase = 0; phase < phases; ++phase)
      for (int c = 0; c < side.depth; c += LANES)
        transform_input(plan, side, strip + c, tile, phase, to + tile * depth + phase * side.depth + c,
                        stride);
}

// Write A' m A of a tile into a strip.
inline void transform_output(const Side& side, const float* from, size_t stride, int tile,
                             int phase, float* strip) {
  Vector m[POINTS];
  for (int p = 0; p < POINTS; ++p) m[p] = load(from + p * stride);
  for (int j = 0; j < SPAN; ++j) a_transposed(m + j, SPAN);
  for (int i = 0; i < TILE; ++i) a_transposed(m + i * SPAN, 1);
  for (int i = 0; i < TILE; ++i)
    for (int j = 0; j < TILE; ++j) store(strip + side.at(tile, i, j, phase), m[i * SPAN + j]);
}

// The same for every tile of a strip, from[tile][channel] at each point.
void transform_outputs(const Side& side, const float* from, size_t across, size_t stride, int tiles,
                       int phase, float* strip) {
  for (int tile = 0; tile < tiles; ++tile)
    for (int c = 0; c < side.depth; c += LANES)
      transform_output(side, from + tile * across + c, stride, tile, phase, strip + c);
}

// A dy A' of a tile: POINTS vectors, `stride` apart.
inline void transform_gradient(const Side& side, const float* strip, int tile, float* to,
                               size_t stride) {
  Vector m[POINTS];
  for (int i = 0; i < TILE; ++i)
    for (int j = 0; j < TILE; ++j) m[i * SPAN + j] = load(strip + side.at(tile, i, j, 0));
  for (int i = 0; i < TILE; ++i) a(m + i * SPAN, 1);
  for (int j = 0; j < SPAN; ++j) a(m + j, SPAN);
  for (int p = 0; p < POINTS; ++p) store(to + p * stride, m[p]);
}

// Write G w G' of up to COLUMNS kernels, whose taps are [taps][COLUMNS], into the slots of a range of
// phases.
inline void transform_kernel(const Plan& plan, const float* taps, int from, int end, float* to,
                             size_t stride) {
  const Kernel& kernel = plan.kernel;
  int k = kernel.taps;
  for (int v = 0; v < COLUMNS; v += LANES)
    for (int down = from / 2; 2 * down < end; ++down) {
      Vector half[5][SPAN];
      for (int j = 0; j < k; ++j) {
        Vector w[3] = {};
        for (int o = 0; o < 3; ++o)
          if (int i = kernel.at[down][o]; i >= 0) w[o] = load(taps + (i * k + j) * COLUMNS + v);
        g(w, half[j]);
      }
      for (int phase = std::max(from, 2 * down); phase < std::min(end, 2 * down + 2); ++phase)
        for (int p = 0; p < SPAN; ++p) {
          if (!kernel.active(p, down)) continue;
          Vector w[3] = {}, m[SPAN];
          for (int o = 0; o < 3; ++o)
            if (int j = kernel.at[phase % 2][o]; j >= 0) w[o] = half[j][p];
          g(w, m);
          for (int q = 0; q < SPAN; ++q)
            if (int slot = plan.slot[p * SPAN + q][phase]; slot >= 0)
              store(to + (slot - plan.begin[from]) * stride + v, m[q]);
        }
    }
}

// --- a convolution from x to y, or its transpose from dy to dx, with the taps reversed and one phase of dx
// at a time instead of the sum over the phases of x

struct Pass {
  const Shape& s;
  bool back;
  Plan plan;
  Side from, to;
  int phases;        // of the input
  int blocks;        // of COLUMNS channels of the result
  size_t slot_step;  // from one slot of a block's transformed kernels to the next

  Pass(const Shape& s, bool back)
      : s(s), back(back), plan(s.taps, back), from(s, !back, true), to(s, back, false),
        phases(back ? 1 : 4), blocks(divide_up(to.channels, COLUMNS)),
        slot_step(apart(size_t(from.channels) * COLUMNS)) {}
  size_t block_step() const { return plan.slots * slot_step; }

  int summed() const { return back ? 1 : 4; }  // phases per sum

  // The transformed kernels of a block that read channel c of the input, for `count` phases; slots are
  // `stride` apart.
  void transform_channel(const float* w, int block, int phase, int count, int c, float* made,
                         size_t stride) const {
    size_t taps = s.taps * s.taps, first = size_t(block) * COLUMNS;
    size_t column_step = back ? taps : taps * s.inner, depth_step = back ? taps * s.inner : taps;
    float buffer[MAX_TAPS * COLUMNS] = {};
    transpose(w + first * column_step + c * depth_step, column_step,
              std::min<int>(COLUMNS, to.channels - first), taps, buffer, COLUMNS);
    transform_kernel(plan, buffer, phase, phase + count, made, stride);
  }
  // The same for the channels first to last - 1: made[slot][channel][COLUMNS].
  void transform_block(const float* w, int block, int phase, int count, int first, int last,
                       float* made) const {
    for (int c = first; c < last; ++c)
      transform_channel(w, block, phase, count, c, made + size_t(c) * COLUMNS, slot_step);
  }
};

// The transforms of the tiles of some strips: at[point][tile][channel], with the channels of one phase after
// those of another.
struct Tiles {
  const Pass& pass;
  int first, strips, wide, tiles;
  size_t depth, room, step;  // room: tiles, a multiple of ROWS
  Scratch inputs;

  Tiles(const Pass& pass, int first, int strips)
      : pass(pass), first(first), strips(strips), wide(pass.s.wide()), tiles(strips * wide),
        depth(size_t(pass.phases) * pass.from.depth), room(round_up(tiles, ROWS)),
        step(apart(room * depth)), inputs(step * POINTS) {}

  void take(const float* image, int n) {
    Scratch strip(pass.from.floats());
    pass.from.gather(image, first + n, strip.data());
    transform_strip(pass.plan, pass.from, strip.data(), wide, pass.phases,
                    inputs.data() + n * wide * depth, depth, step);
  }
  const float* at(int point) const { return inputs.data() + point * step; }

  // made[tile][COLUMNS] = the sum over some phases of inputs[tile][phase][channel] times
  // kernels[slot][channel][COLUMNS] at a point; the kernels begin at the first of these phases.
  void multiply(int point, int phase, const float* kernels, float* made, size_t across) const {
    const Plan& plan = pass.plan;
    for (int t = 0; t < tiles; t += ROWS) {
      Block<VECTORS> sums;
      for (int f = 0; f < pass.summed(); ++f)
        if (int slot = plan.slot[point][phase + f]; slot >= 0)
          sums.add(at(point) + t * depth + f * pass.from.depth, depth, 1,
                   kernels + (slot - plan.begin[phase]) * pass.slot_step, COLUMNS, pass.from.channels);
      sums.write(made + t * across, across);
    }
  }
};

// The result for some tiles and some blocks of its channels.  kernels(phase): their transformed kernels,
// starting at a phase.
template <typename Kernels>
void make(const Pass& pass, const Tiles& tiles, int block, int blocks, const Kernels& kernels,
          float* result) {
  size_t across = size_t(blocks) * COLUMNS, m_step = apart(tiles.room * across);
  int channel = block * COLUMNS, count = std::min<int>(across, pass.to.channels - channel);
  Side to = pass.to.of_depth(round_up(count, LANES));
  Scratch products(m_step * POINTS), made(to.floats() * tiles.strips);
  for (int phase = 0; phase < 4; phase += pass.summed()) {
    const float* from = kernels(phase);
    for (int point = 0; point < POINTS; ++point)
      for (int b = 0; b < blocks; ++b)
        tiles.multiply(point, phase, from + b * pass.block_step(),
                       products.data() + point * m_step + b * COLUMNS, across);
    for (int n = 0; n < tiles.strips; ++n)
      transform_outputs(to, products.data() + n * tiles.wide * across, across, m_step, tiles.wide, phase,
                        made.data() + n * to.floats());
  }
  for (int n = 0; n < tiles.strips; ++n)
    to.scatter(made.data() + n * to.floats(), tiles.first + n, result, channel, count);
}

// A task computes some tiles, with the transformed kernels of all blocks.
template <bool BACK>
void by_tiles(ffi::ThreadPool& pool, const Shape& s, const float* image, const float* w, float* result) {
  Pass pass(s, BACK);
  Scratch kernels(pass.blocks * pass.block_step());
  int chunk = 16, chunks = divide_up(pass.from.channels, chunk);
  parallel(pool, pass.blocks * chunks, [&](int task) {
    int block = task / chunks, first = task % chunks * chunk;
    pass.transform_block(w, block, 0, 4, first, std::min(first + chunk, pass.from.channels),
                         kernels.data() + block * pass.block_step());
  });
  each_group(pool, s.strips(), strips_to_a_task(s, pool.num_threads()), [&](int first, int strips) {
    Tiles tiles(pass, first, strips);
    for (int n = 0; n < strips; ++n) tiles.take(image, n);
    auto from = [&](int phase) { return kernels.data() + pass.plan.begin[phase] * pass.slot_step; };
    make(pass, tiles, 0, pass.blocks, from, result);
  });
}

// For large kernels and few tiles: a task computes one block for all tiles, so that each thread has the
// transformed kernels of a single block in memory.
template <bool BACK>
void by_blocks(ffi::ThreadPool& pool, const Shape& s, const float* image, const float* w, float* result) {
  Pass pass(s, BACK);
  Tiles tiles(pass, 0, s.strips());
  parallel(pool, s.strips(), [&](int n) { tiles.take(image, n); });
  parallel(pool, pass.blocks, [&](int block) {
    Scratch kernels((BACK ? POINTS : pass.plan.slots) * pass.slot_step);
    auto transformed = [&](int phase) {
      pass.transform_block(w, block, phase, pass.summed(), 0, pass.from.channels, kernels.data());
      return kernels.data();
    };
    make(pass, tiles, block, 1, transformed, result);
  });
}

// Whether the transformed kernels are larger than the tiles, and there is a block for every thread.
template <bool BACK>
bool has_large_kernels(const Shape& s, int threads) {
  Pass pass(s, BACK);
  size_t inputs = size_t(s.tiles()) * pass.phases * pass.from.depth * POINTS;
  return pass.blocks >= threads && pass.blocks * pass.block_step() > inputs;
}

// --- few output channels: the four phases of several channels share a block, [phase][channel]

// A strip [TILE][pixels of dy][columns] into the rows of `count` channels of dx, [TILE][2] of each.
void scatter_side_by_side(const Shape& s, const Side& to, const float* made, int strip, int first,
                          int count, float* lines, float* dx) {
  int top = to.first_row(strip), rows = std::min(TILE, s.height - top), width = 2 * s.width;
  float* picture = dx + (size_t(strip / s.high()) * s.inner + first) * 2 * s.height * width;
  for (int r = 0; r < rows; ++r) {
    transpose(made + size_t(r) * to.columns * to.depth, to.depth, s.width, 4 * count, lines, s.width);
    for (int c = 0; c < count; ++c)
      for (int half = 0; half < 2; ++half) {
        const float* even = lines + size_t(2 * half * count + c) * s.width;
        const float* odd = even + size_t(count) * s.width;
        float* row = picture + (size_t(c) * 2 * s.height + 2 * (top + r) + half) * width;
        for (int j = 0; j < s.width; ++j) row[2 * j] = even[j], row[2 * j + 1] = odd[j];
      }
  }
}

constexpr int SIDE_BY_SIDE = COLUMNS / 4;  // channels

void deconvolve_side_by_side(ffi::ThreadPool& pool, const Shape& s, const float* dy, const float* w,
                             float* dx) {
  Pass pass(s, true);
  for (int first = 0; first < s.inner; first += SIDE_BY_SIDE) {
    int count = std::min(SIDE_BY_SIDE, s.inner - first), vectors = divide_up(4 * count, LANES);
    int columns = vectors * LANES;
    Side to = Side(s, false, false).of_depth(columns);
    size_t point_step = apart(size_t(s.outer) * columns);
    Scratch kernels(POINTS * point_step);  // [point][channel of y][columns]
    parallel(pool, s.outer, [&](int k) {
      float slots[POINTS * 4 * COLUMNS];
      pass.transform_channel(w, first / COLUMNS, 0, 4, k, slots, COLUMNS);
      for (int point = 0; point < POINTS; ++point) {
        float* place = kernels.data() + point * point_step + size_t(k) * columns;
        std::memset(place, 0, columns * sizeof(float));
        for (int phase = 0; phase < 4; ++phase)
          if (int slot = pass.plan.slot[point][phase]; slot >= 0)
            std::memcpy(place + phase * count, slots + slot * COLUMNS + first % COLUMNS,
                        count * sizeof(float));
      }
    });
    each_group(pool, s.strips(), strips_to_a_task(s, pool.num_threads()), [&](int strip, int strips) {
      Tiles tiles(pass, strip, strips);
      for (int n = 0; n < strips; ++n) tiles.take(dy, n);
      size_t m_step = apart(tiles.room * columns);
      Scratch products(m_step * POINTS), made(to.floats()), lines(size_t(columns) * s.width);
      for (int point = 0; point < POINTS; ++point)
        for (int t = 0; t < tiles.tiles; t += ROWS)
          multiply(vectors, ROWS, tiles.at(point) + t * tiles.depth, tiles.depth, 1,
                   kernels.data() + point * point_step, columns, s.outer, false,
                   products.data() + point * m_step + t * columns, columns);
      for (int n = 0; n < strips; ++n) {
        transform_outputs(to, products.data() + size_t(n) * s.wide() * columns, columns, m_step, s.wide(),
                          0, made.data());
        scatter_side_by_side(s, to, made.data(), strip + n, first, count, lines.data(), dx);
      }
    });
  }
}

// --- the gradient of the kernels

// The transforms of some strips of x and of dy: at[point][tile][channel].
struct Transforms {
  const Plan& plan;
  Side left, right;
  int wide;               // tiles in a strip
  size_t depth, across;   // channels of x in all phases, where ROWS may reach beyond, and of dy
  size_t x_step, dy_step;  // from point to point
  Scratch inputs, gradients;

  Transforms(const Plan& plan, const Shape& s, int strips)
      : plan(plan), left(s, true, true), right(s, false, false), wide(s.wide()), depth(4 * left.depth + LANES),
        across(round_up(s.outer, COLUMNS)), x_step(apart(strips * wide * depth)),
        dy_step(apart(strips * wide * across)), inputs(x_step * POINTS), gradients(dy_step * POINTS) {}

  // Store the transform of a strip at an index.
  void take(const float* x, const float* dy, int strip, int place) {
    Scratch read(std::max(left.floats(), right.floats()));
    size_t first = size_t(place) * wide;
    left.gather(x, strip, read.data());
    transform_strip(plan, left, read.data(), wide, 4, inputs.data() + first * depth, depth, x_step);
    right.gather(dy, strip, read.data());
    for (int tile = 0; tile < wide; ++tile)
      for (int k = 0; k < right.depth; k += LANES)
        transform_gradient(right, read.data() + k, tile, gradients.data() + (first + tile) * across + k,
                           dy_step);
  }
};

// Sums over tiles for all or a block of the channels of y, and all or some of the channels of x:
// [slot][channel of x][channel of y].
struct Sums {
  const Shape& s;
  const Plan& plan;
  int x_channels;
  size_t across, slot_step;

  Sums(const Shape& s, const Plan& plan, int x_channels, int y_channels)
      : s(s), plan(plan), x_channels(x_channels), across(round_up(y_channels, COLUMNS)),
        slot_step(apart(round_up(x_channels, ROWS) * across)) {}
  Sums(const Shape& s, const Plan& plan) : Sums(s, plan, s.inner, s.outer) {}
  size_t floats() const { return plan.slots * slot_step; }
  int blocks() const { return across / COLUMNS; }

  // sums = or (more) += the products over the first strips at a point, for channels of x starting at c and
  // COLUMNS channels of y starting at k.
  void add(const Transforms& of, int point, int c, int k, int strips, bool more, float* sums) const {
    for (int phase = 0; phase < 4; ++phase) {
      int slot = plan.slot[point][phase];
      const float* x = of.inputs.data() + point * of.x_step + phase * of.left.depth + c;
      const float* dy = of.gradients.data() + point * of.dy_step + k;
      for (int row = 0; slot >= 0 && row < std::min(x_channels, s.inner - c); row += ROWS) {
        float* to = sums + slot * slot_step + row * across + k % across;
        Block<VECTORS> made;
        if (more) made.read(to, across);
        made.add(x + row, 1, of.depth, dy, of.across, strips * of.wide);
        made.write(to, across);
      }
    }
  }

  // dw for a channel of x (row of the sums; c overall) and channels of y starting at `first`.
  void gather(const float* sums, int row, int c, int first, float* dw) const {
    int taps = s.taps, all = taps * taps;
    for (int k = 0; k < std::min<int>(across, s.outer - first); k += LANES) {
      Vector made[MAX_TAPS];
      for (int down = 0; down < 2; ++down) {
        Vector half[5][SPAN] = {};
        for (int phase = 2 * down; phase < 2 * down + 2; ++phase)
          for (int p = 0; p < SPAN; ++p) {
            Vector m[SPAN] = {}, w[3];
            for (int q = 0; q < SPAN; ++q)
              if (int slot = plan.slot[p * SPAN + q][phase]; slot >= 0)
                m[q] = load(sums + slot * slot_step + row * across + k);
            g_transposed(m, w);
            for (int o = 0; o < 3; ++o)
              if (int j = plan.kernel.at[phase % 2][o]; j >= 0) half[j][p] = w[o];
          }
        for (int j = 0; j < taps; ++j) {
          Vector w[3];
          g_transposed(half[j], w);
          for (int o = 0; o < 3; ++o)
            if (int i = plan.kernel.at[down][o]; i >= 0) made[i * taps + j] = w[o];
        }
      }
      transpose(reinterpret_cast<const float*>(made), LANES, all, std::min(LANES, s.outer - first - k),
                dw + (size_t(first + k) * s.inner + c) * all, size_t(s.inner) * all);
    }
  }
  void gather_all(ffi::ThreadPool& pool, const float* sums, float* dw) const {
    parallel(pool, s.inner, [&](int c) { gather(sums, c, c, 0, dw); });
  }
};

// The gradient of small kernels: each of PARTS tasks has its own sums and few tiles at a time, which all
// stay in the cache.
constexpr int PARTS = 16, FEW_TILES = 24;
constexpr size_t SMALL = 1 << 17;  // sums

bool has_small_kernels(const Shape& s, int) { return Sums(s, Plan(s.taps, false)).floats() <= SMALL; }

void weight_gradient_by_parts(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* dy,
                              float* dw) {
  Plan plan(s.taps, false);
  Sums sums(s, plan);
  int together = std::max(1, FEW_TILES / s.wide());
  int parts = std::min(PARTS, divide_up(s.strips(), together));
  Scratch made(parts * sums.floats());
  parallel(pool, parts, [&](int part) {
    Transforms transforms(plan, s, together);
    float* ours = made.data() + part * sums.floats();
    for (int first = part * together; first < s.strips(); first += parts * together) {
      int strips = std::min(together, s.strips() - first);
      for (int n = 0; n < strips; ++n) transforms.take(x, dy, first + n, n);
      for (int point = 0; point < POINTS; ++point)
        for (int block = 0; block < sums.blocks(); ++block)
          sums.add(transforms, point, 0, block * COLUMNS, strips, first >= parts * together, ours);
    }
  });
  for (int part = 1; part < parts; ++part)
    for (size_t i = 0; i < sums.floats(); ++i) made.data()[i] += made.data()[part * sums.floats() + i];
  sums.gather_all(pool, made.data(), dw);
}

// The gradient of large kernels over few tiles: a task computes the sums of a block of channels of y with
// some channels of x, which stay in the cache.
void weight_gradient_by_blocks(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* dy,
                               float* dw) {
  Plan plan(s.taps, false);
  Transforms transforms(plan, s, s.strips());
  parallel(pool, s.strips(), [&](int n) { transforms.take(x, dy, n, n); });
  Sums sums(s, plan, 4 * ROWS, COLUMNS);
  int groups = divide_up(s.inner, sums.x_channels);
  parallel(pool, groups * divide_up(s.outer, COLUMNS), [&](int task) {
    int first = task % groups * sums.x_channels, k = task / groups * COLUMNS;
    Scratch made(sums.floats());
    for (int point = 0; point < POINTS; ++point)
      sums.add(transforms, point, first, k, s.strips(), false, made.data());
    for (int row = 0; row < std::min(sums.x_channels, s.inner - first); ++row)
      sums.gather(made.data(), row, first + row, k, dw);
  });
}

bool has_large_kernels_and_few_tiles(const Shape& s, int) {
  Plan plan(s.taps, false);
  return Sums(s, plan).floats() > size_t(s.tiles()) * POINTS * (4 * s.inner + s.outer);
}

// dw [K, C, k, k]: the gradient of `convolve` for its kernels.
void weight_gradient(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* dy,
                     float* dw) {
  Plan plan(s.taps, false);
  Sums sums(s, plan);
  int together = std::min(s.strips(), divide_up(TILES_TO_A_SUM, s.wide()));
  Transforms transforms(plan, s, together);
  Scratch made(sums.floats());
  for (int first = 0; first < s.strips(); first += together) {
    int strips = std::min(together, s.strips() - first);
    parallel(pool, strips, [&](int n) { transforms.take(x, dy, first + n, n); });
    parallel(pool, POINTS * sums.blocks(), [&](int task) {
      sums.add(transforms, task / sums.blocks(), 0, task % sums.blocks() * COLUMNS, strips, first > 0,
               made.data());
    });
  }
  sums.gather_all(pool, made.data(), dw);
}

}  // namespace winograd
}  // namespace
