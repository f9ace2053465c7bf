// A tile: some 96 entries of consecutive rows, the unit in which every pass works.
//
// Dots go into a tile buffer, the loss is evaluated on the buffer with full vectors, and two rounds of axpys follow
// while the rows are still in the first-level cache.
#pragma once
#include "kernels.hpp"
#include "simd.hpp"

namespace HALFSEEN_SPACE {

// 96 entries of rank 32 (float32, factor and gradient) are 24 KiB, half of a first-level cache; of longer slots a tile
// takes 64, where they fill it. Measured at 1M entries, float32: 96 against 64 costs .95 at rank 8 and 16, .97 at 32,
// 1.01 at 64 (which takes 64 now), 128 against 96 1.0 and, at 64, 1.07.
constexpr int kTile = 96, kShortTile = 64;
constexpr std::int64_t kTileBytes = 32 << 10;
// At a row's end a tile this full is worked off: filled up it would cut the next row in two, and every piece costs its
// mispredicted loop ends and a partly empty group of dots. Measured at rank 32, 83 entries a visit: .95; from 48 on .95,
// from 72 on .97; short rows and other ranks within noise.
constexpr int kFullEnough = 64;
constexpr int kSlack = kTile;  // whole vectors, and whole tiles of copies, may be written past the end

// Entries [begin, end) of the tile belong to major row `row`; the table's entry of `begin` is `entry`.
struct Segment {
    std::int64_t row;
    std::int64_t entry;
    int begin;
    int end;
};

template <class T>
struct Tile {
    int n_segments = 0;
    int n = 0;
    Segment segments[kTile];
    std::int32_t cols[kTile + kSlack];    // counted from the block's first
    std::int32_t places[kTile + kSlack];  // of their slots, in numbers
    alignas(64) T y[kTile + kSlack];
    alignas(64) T w[kTile + kSlack];
    alignas(64) T base[kTile + kSlack];  // the linear predictor's offsets
    alignas(64) T m[kTile + kSlack];
    alignas(64) T g[kTile + kSlack];
    alignas(64) T t[kTile + kSlack];

    void clear() { n_segments = n = 0; }
};

// The minor factors, block of columns by block of columns: slot c holds `parts` padded rows side by side (factor,
// gradient, ...), so that one cache-line aligned place serves an entry.
template <class T>
struct Slots {
    T* data;
    std::int64_t stride;  // numbers from one column's slot to the next
    std::int64_t padded;  // numbers of one part: the rank, rounded up to whole vectors

    T* at(std::int32_t col, int part) const { return data + col * stride + part * padded; }
    T* place(std::int32_t place, int part) const { return data + place + part * padded; }
};

// Staged major rows of a tile: one padded, aligned row per segment.
template <class T>
struct Staged {
    T* data;
    std::int64_t padded;

    T* at(int segment) const { return data + segment * padded; }
};

// The rows' sums go straight to their (n, k) array.
template <class T>
struct RowSums {
    T* data;
    std::int64_t k;

    T* at(std::int64_t row) const { return data + row * k; }
};

}  // namespace HALFSEEN_SPACE
