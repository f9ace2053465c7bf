// Walk over the entries of a table, column block by column block, and hand them out in tiles.
#pragma once
#include "rank_ops.hpp"
#include "special.hpp"

namespace HALFSEEN_SPACE {

using halfseen::Entries;
using halfseen::Model;

// Columns are visited in blocks whose slots stay in the second-level cache, if every visit of a row by a block still
// finds enough entries; else in blocks for the share of the third-level cache that one thread can count on. A visit
// costs some 50 ns (mispredicted loop ends, the row's factor, gradient and entries fetched anew). Measured at rank 32,
// 10M entries, 100 a row: blocks of 512 KiB 21 ns an entry, of 2 MiB 14.5, of 8 MiB 11.5.
struct ColumnPlan {
    std::int64_t n_blocks;
    std::int64_t width;
    std::int64_t stride;
    int tile;  // entries of a full tile
};

constexpr std::int64_t kSecondLevelBytes = 512 << 10, kThirdLevelBytes = 8 << 20;
constexpr std::int64_t kEntriesPerVisit = 40, kLargestPlace = (1LL << 31) - 1;

template <class T>
ColumnPlan plan_columns(const Entries<T>& e, std::int64_t padded, int parts) {
    const std::int64_t stride = padded * parts;
    const std::int64_t bytes = e.n_cols * stride * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t rows = e.n_rows > 0 ? e.n_rows : 1;
    std::int64_t blocks = (bytes + kSecondLevelBytes - 1) / kSecondLevelBytes;
    if (e.n_entries() < kEntriesPerVisit * rows * blocks) {
        blocks = least((bytes + kThirdLevelBytes - 1) / kThirdLevelBytes, e.n_entries() / (kEntriesPerVisit * rows));
    }
    // Places of slots are 32-bit numbers.
    blocks = most(blocks, e.n_cols * stride / kLargestPlace + 1);
    const std::int64_t width = (e.n_cols + blocks - 1) / blocks;
    // As for a factor with its gradient, whatever is asked for: the same tiles give the same sums, to the last bit.
    const bool fits = kTile * 2 * padded * static_cast<std::int64_t>(sizeof(T)) <= kTileBytes;
    return {blocks, most<std::int64_t>(width, 1), stride, fits ? kTile : kShortTile};
}

// Which of the optional arrays the tiles carry.
struct Wants {
    bool values;
    bool weights;
    bool base;  // offsets of entries and rows
};

template <class T>
Wants wants_all(const Entries<T>& e, const Model<T>& model) {
    return {true, e.weights != nullptr, e.offset || model.row_offset};
}

template <class T>
HALFSEEN_INLINE void copy_tile(Tile<T>& tile, const Entries<T>& e, Wants wants, int to, std::int64_t from) {
    constexpr std::size_t kBytes = kTile * sizeof(T);
    if (wants.values) std::memcpy(tile.y + to, e.values + from, kBytes);
    if (wants.weights) std::memcpy(tile.w + to, e.weights + from, kBytes);
    if (wants.base && e.offset) std::memcpy(tile.base + to, e.offset + from, kBytes);
}

// Append entries entry .. end of one row to the tile, up to the block's last column; returns how many were taken.
// Whole tiles are copied, whatever is taken: a loop of fixed length is a few vector moves, one of unknown length costs
// mispredicted branches, the greater part of a short row's time.
template <class T>
HALFSEEN_INLINE int append(Tile<T>& tile, const Entries<T>& e, Wants wants, const ColumnPlan& plan, std::int64_t row,
                           std::int64_t entry, std::int64_t end, std::int32_t first_col, std::int32_t width) {
    const int room = static_cast<int>(least<std::int64_t>(plan.tile - tile.n, end - entry));
    const auto stride = static_cast<std::int32_t>(plan.stride);
    const std::int32_t* cols = e.indices + entry;
    const int n = tile.n;
    std::int32_t *to = tile.cols + n, *places = tile.places + n;
    int taken = 0;
    if (entry + kTile <= e.n_entries()) {
        // Unsigned: a column before the block (of the next row) wraps to a large number.
        const std::uint32_t first = static_cast<std::uint32_t>(first_col), last = static_cast<std::uint32_t>(width) - 1;
        for (int i = 0; i < kTile; ++i) {
            const std::uint32_t c = static_cast<std::uint32_t>(cols[i]) - first;
            taken += (i < room) & (c <= last);
            to[i] = static_cast<std::int32_t>(c < last ? c : last);  // what is not taken: a valid slot
            places[i] = to[i] * stride;
        }
        copy_tile(tile, e, wants, n, entry);
    } else {
        for (; taken < room && cols[taken] - first_col < width; ++taken) {
            to[taken] = cols[taken] - first_col;
            places[taken] = to[taken] * stride;
            if (wants.values) tile.y[n + taken] = e.values[entry + taken];
            if (wants.weights) tile.w[n + taken] = e.weights[entry + taken];
            if (e.offset && wants.base) tile.base[n + taken] = e.offset[entry + taken];
        }
    }
    tile.segments[tile.n_segments] = {row, entry, n, n + taken};
    tile.n_segments += taken > 0;
    tile.n = n + taken;
    return taken;
}

// Complete the tile's offsets of the linear predictor with the rows'; the entries' own are there already, the columns'
// are added to the dots.
template <class T>
void add_base(Tile<T>& tile, const Entries<T>& e, const Model<T>& model) {
    if (!e.offset) {
        for (int i = 0; i < kTile; ++i) tile.base[i] = T(0);
    }
    if (!model.row_offset) return;
    for (int s = 0; s < tile.n_segments; ++s) {
        const T fixed = model.row_offset[tile.segments[s].row];
        for (int i = tile.segments[s].begin; i < tile.segments[s].end; ++i) tile.base[i] += fixed;
    }
}

template <class T>
HALFSEEN_INLINE void prefetch_entries(const Entries<T>& e, std::int64_t entry, std::int64_t n, std::int64_t last) {
    constexpr std::int64_t kLine = 64 / sizeof(std::int32_t);
    for (std::int64_t i = 0; i < n; i += kLine) {
        const std::int64_t at = least(entry + i, last);
        HALFSEEN_PREFETCH(e.indices + at);
        HALFSEEN_PREFETCH(e.values + at);
        if (sizeof(T) == 8) HALFSEEN_PREFETCH(e.values + least(at + kLine / 2, last));
    }
}

// Ask for k numbers.
template <class T>
HALFSEEN_INLINE void prefetch_row(const T* row, std::int64_t k) {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    for (std::int64_t c = 0; c < k; c += kLine) HALFSEEN_PREFETCH(row + c);
}

// pass.open(first, last column), pass.ahead(row) some rows before a row's entries, pass.process(tile) for every tile,
// pass.close(first, last column).
template <class T, class Pass>
void traverse(const Entries<T>& e, const Model<T>& model, Wants wants, ColumnPlan plan, Pass& pass) {
    Tile<T> tile{};
    const auto process = [&] {
        if (tile.n == 0) return;
        if (wants.base) add_base(tile, e, model);
        pass.process(tile);
        tile.clear();
    };
    const bool one_block = plan.n_blocks == 1;
    Scratch<std::int64_t> cursor(one_block ? 0 : e.n_rows);
    if (!one_block) {
        for (std::int64_t i = 0; i < e.n_rows; ++i) cursor[i] = e.first(i);
    }
    // What a row still to come will read: its entries are asked for this many rows, or entries, ahead. Hardware
    // prefetchers lose the stream among the gathers.
    constexpr std::int64_t kRowsAhead = 8, kEntriesAhead = 512;
    const std::int64_t last_entry = e.n_entries() - 1;
    const std::int64_t visit = e.n_entries() / (plan.n_blocks * (e.n_rows > 0 ? e.n_rows : 1));
    const std::int64_t reach = least<std::int64_t>(visit + 16, 2 * kTile);
    for (std::int64_t block = 0; block < plan.n_blocks; ++block) {
        const std::int64_t first_col = block * plan.width;
        const std::int64_t last_col = least(first_col + plan.width, e.n_cols);
        if (first_col >= last_col) break;
        pass.open(first_col, last_col);
        // A group of dots may run past the tile's end: what it finds there must be columns of this block, which may be
        // narrower than the one before it.
        std::memset(tile.cols, 0, sizeof(tile.cols));
        std::memset(tile.places, 0, sizeof(tile.places));
        for (std::int64_t row = 0; row < e.n_rows; ++row) {
            std::int64_t entry = one_block ? e.first(row) : cursor[row];
            const std::int64_t end = e.first(row + 1);
            if (row + kRowsAhead < e.n_rows) {
                pass.ahead(row + kRowsAhead);
                if (!one_block) prefetch_entries(e, cursor[row + kRowsAhead], reach, last_entry);
            }
            while (entry < end) {
                const int taken = append(tile, e, wants, plan, row, entry, end, static_cast<std::int32_t>(first_col),
                                         static_cast<std::int32_t>(last_col - first_col));
                if (one_block) prefetch_entries(e, entry + kEntriesAhead, taken, last_entry);
                entry += taken;
                if (tile.n == plan.tile) {
                    process();
                } else {
                    if (tile.n >= kFullEnough) process();
                    break;  // the row, or its part of the block, is done
                }
            }
            if (!one_block) cursor[row] = entry;
        }
        process();
        pass.close(first_col, last_col);
    }
}

// Copy columns first .. last of a (n_cols, k) array into one part of the slots; padding becomes zero.
template <class T>
void pack(Slots<T> slots, int part, const T* from, std::int64_t k, std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j) {
        T* to = slots.at(static_cast<std::int32_t>(j - first), part);
        for (std::int64_t c = 0; c < k; ++c) to[c] = from[j * k + c];
        for (std::int64_t c = k; c < slots.padded; ++c) to[c] = T(0);
    }
}

template <class T>
void clear(Slots<T> slots, int part, std::int64_t n) {
    for (std::int64_t j = 0; j < n; ++j) {
        T* to = slots.at(static_cast<std::int32_t>(j), part);
        for (std::int64_t c = 0; c < slots.padded; ++c) to[c] = T(0);
    }
}

template <class T>
void add_back(Slots<T> slots, int part, T* to, std::int64_t k, std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j) {
        const T* from = slots.at(static_cast<std::int32_t>(j - first), part);
        for (std::int64_t c = 0; c < k; ++c) to[j * k + c] += from[c];
    }
}

}  // namespace HALFSEEN_SPACE
