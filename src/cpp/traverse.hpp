// Walk over the entries of a table, column block by column block, and hand them out in tiles.
#pragma once
#include "rank_ops.hpp"
#include "special.hpp"

namespace HALFSEEN_SPACE {

using halfseen::Entries;
using halfseen::Model;

// Columns are visited in blocks whose slots stay in the second-level cache: a gathered row then costs its bandwidth
// instead of a trip to memory.
struct ColumnPlan {
    std::int64_t n_blocks;
    std::int64_t width;
};

constexpr std::int64_t kBlockBytes = 512 << 10;
// Every visit of a row by a block costs some 20 cycles (a mispredicted loop end, its own cache lines): fewer entries
// than this per visit and larger blocks are the better evil.
constexpr std::int64_t kEntriesPerVisit = 8;

template <class T>
ColumnPlan plan_columns(const Entries<T>& e, std::int64_t stride) {
    const std::int64_t bytes = e.n_cols * stride * static_cast<std::int64_t>(sizeof(T));
    std::int64_t blocks = (bytes + kBlockBytes - 1) / kBlockBytes;
    const std::int64_t visits = e.n_entries() / (kEntriesPerVisit * (e.n_rows > 0 ? e.n_rows : 1));
    blocks = least(blocks, visits);
    if (blocks < 1) blocks = 1;
    const std::int64_t width = (e.n_cols + blocks - 1) / blocks;
    return {blocks, width > 0 ? width : 1};
}

// Which of the optional arrays the tiles carry.
struct Wants {
    bool values;
    bool weights;
    bool base;
};

template <class T>
Wants wants_all(const Entries<T>& e, const Model<T>& model) {
    return {true, e.weights != nullptr, e.offset || model.row_offset || model.col_offset};
}

// Append entries entry .. end of one row to the tile, up to the block's last column; returns how many were taken.
template <class T>
HALFSEEN_INLINE int append(
    Tile<T>& tile, const Entries<T>& e, const Model<T>& model, Wants wants, std::int64_t row, std::int64_t entry,
    std::int64_t end, std::int32_t first_col, std::int32_t last_col) {
    const int room = static_cast<int>(least<std::int64_t>(kTile - tile.n, end - entry));
    const std::int32_t* cols = e.indices + entry;
    int taken = room;
    if (room > 0 && cols[room - 1] >= last_col) {
        taken = 0;  // counted, not searched: the columns ascend, and counting is a few vector operations
        for (int i = 0; i < room; ++i) taken += cols[i] < last_col;
    }
    if (taken == 0) return 0;
    const int n = tile.n;
    for (int i = 0; i < taken; ++i) tile.cols[n + i] = cols[i] - first_col;
    if (wants.values) {
        for (int i = 0; i < taken; ++i) tile.y[n + i] = e.values[entry + i];
    }
    if (wants.weights) {
        for (int i = 0; i < taken; ++i) tile.w[n + i] = e.weights[entry + i];
    }
    if (wants.base) {
        const T fixed = model.row_offset ? model.row_offset[row] : T(0);
        if (model.col_offset) {
            for (int i = 0; i < taken; ++i) tile.base[n + i] = fixed + model.col_offset[cols[i]];
        } else {
            for (int i = 0; i < taken; ++i) tile.base[n + i] = fixed;
        }
        if (e.offset) {
            for (int i = 0; i < taken; ++i) tile.base[n + i] += e.offset[entry + i];
        }
    }
    tile.segments[tile.n_segments++] = {row, entry, n, n + taken};
    tile.n = n + taken;
    return taken;
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

// pass.open(first, last column), pass.process(tile) for every tile, pass.close(first, last column).
template <class T, class Pass>
void traverse(const Entries<T>& e, const Model<T>& model, Wants wants, ColumnPlan plan, Pass& pass) {
    Tile<T> tile{};
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
        for (std::int64_t row = 0; row < e.n_rows; ++row) {
            std::int64_t entry = one_block ? e.first(row) : cursor[row];
            const std::int64_t end = e.first(row + 1);
            if (!one_block && row + kRowsAhead < e.n_rows) {
                prefetch_entries(e, cursor[row + kRowsAhead], reach, last_entry);
            }
            while (entry < end) {
                const int taken = append(tile, e, model, wants, row, entry, end, static_cast<std::int32_t>(first_col),
                                         static_cast<std::int32_t>(last_col));
                if (taken == 0) break;
                if (one_block) prefetch_entries(e, entry + kEntriesAhead, taken, last_entry);
                entry += taken;
                if (tile.n == kTile) {
                    pass.process(tile);
                    tile.clear();
                }
            }
            if (!one_block) cursor[row] = entry;
        }
        if (tile.n) pass.process(tile);
        tile.clear();
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
