// The loops over the rank: dots and axpys of a tile, with the number of vectors per row known at compile time for
// common ranks.
#pragma once
#include "tile.hpp"

namespace HALFSEEN_SPACE {

template <class T>
struct RankOps {
    // copy the segments' rows of a (n, k) array to their padded places; the padding is left alone
    void (*stage)(const Tile<T>&, const T* A, std::int64_t k, Staged<T>);
    // m_e = <row, slot part> + base[column] of every entry (base may be null)
    void (*dots)(const Tile<T>&, Slots<T>, int part, Staged<T>, const T* base, T* m);
    // rows' sums += g_e * slot part
    void (*to_rows)(const Tile<T>&, Slots<T>, int part, const T* g, RowSums<T> sums);
    // slot part += g_e * row
    void (*to_cols)(const Tile<T>&, Slots<T>, int part, const T* g, Staged<T>);
    // both at once: rows' sums += g_e * slot part, slot part + 1 += g_e * row; and col[column] += g_e (may be null)
    void (*to_both)(const Tile<T>&, Slots<T>, int part, const T* g, Staged<T> rows, RowSums<T> sums, T* col);
    std::int64_t padded;
};

// W lanes, NV vectors per row; NV = 0: counted at run time.
template <class T, int W, int NV>
struct RankLoops {
    using V = Vec<T, W>;

    template <int N, bool Based>
    static HALFSEEN_INLINE void dot_group(const T* from, const std::int32_t* places, const std::int32_t* cols,
                                          int vectors, const T* a, const T* base, V* sums) {
        const T* b[N];
        for (int i = 0; i < N; ++i) b[i] = from + places[i];
        const V first = load<W>(a);
        for (int i = 0; i < N; ++i) {
            sums[i] = Based ? first_lane<W>(base[cols[i]]) + first * load<W>(b[i]) : first * load<W>(b[i]);
        }
        for (int v = 1; v < vectors; ++v) {
            const V av = load<W>(a + v * W);
            for (int i = 0; i < N; ++i) sums[i] = sums[i] + av * load<W>(b[i] + v * W);
        }
    }

    static void stage(const Tile<T>& tile, const T* A, std::int64_t k, Staged<T> staged) {
        const std::int64_t whole = k / W * W;
        for (int s = 0; s < tile.n_segments; ++s) {
            const T* from = A + tile.segments[s].row * k;
            T* to = staged.at(s);
            for (std::int64_t c = 0; c < whole; c += W) store(to + c, load<W>(from + c));
            for (std::int64_t c = whole; c < k; ++c) to[c] = from[c];
        }
    }

    template <bool Based>
    static HALFSEEN_INLINE void dots_of(const Tile<T>& tile, Slots<T> slots, int part, Staged<T> rows, const T* base,
                                        T* m) {
        // As many dots at once as there are lanes, so that their sums fill a vector; at most 8, for the registers. The
        // last group may run into the next segment's entries: they are valid columns, and done again later.
        constexpr int kGroup = W < 8 ? W : 8, kHalf = NV && NV <= 4 && kGroup > 4 ? 4 : kGroup;
        const int vectors = NV ? NV : static_cast<int>(slots.padded / W);
        const T* from = slots.place(0, part);
        for (int s = 0; s < tile.n_segments; ++s) {
            const T* a = rows.at(s);
            const int end = tile.segments[s].end;
            for (int e = tile.segments[s].begin; e < end; e += kGroup) {
                V sums[kGroup];
                for (int i = 0; i < kGroup; i += kHalf) {
                    dot_group<kHalf, Based>(from, tile.places + e + i, tile.cols + e + i, vectors, a, base, sums + i);
                }
                store_sums<kGroup>(sums, m + e);
            }
        }
    }

    static void dots(const Tile<T>& tile, Slots<T> slots, int part, Staged<T> rows, const T* base, T* m) {
        if (base) {
            dots_of<true>(tile, slots, part, rows, base, m);
        } else {
            dots_of<false>(tile, slots, part, rows, base, m);
        }
    }

    // A row's columns are distinct, so all slots are read before any is written: else every read waits for the address
    // of the write before it. Each of the entries taken at once has sums of its own: one chain of additions would cost
    // its whole latency, four cycles, an entry.
    static constexpr int kAtOnce = NV <= 1 ? 4 : (NV <= 4 ? 2 : 1);  // as the registers allow; measured

    template <bool Rows, bool Cols, bool Sums, int N>
    static HALFSEEN_INLINE void axpy_entries(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g, int e,
                                             std::int64_t c, const V (&a)[NV], V (&sums)[kAtOnce][NV], T* col) {
        T* slot[N];
        V target[N][NV];
        for (int i = 0; i < N; ++i) {
            const V ge = splat<T, W>(g[e + i]);
            slot[i] = slots.place(tile.places[e + i], part) + c;
            for (int v = 0; v < NV; ++v) {
                if (Rows) sums[i][v] = sums[i][v] + ge * load<W>(slot[i] + v * W);
                if (Rows && Cols) slot[i] += v == NV - 1 ? slots.padded : 0;
            }
            for (int v = 0; v < NV; ++v) {
                if (Cols) target[i][v] = load<W>(slot[i] + v * W) + ge * a[v];
            }
        }
        for (int i = 0; i < N; ++i) {
            for (int v = 0; v < NV; ++v) {
                if (Cols) store(slot[i] + v * W, target[i][v]);
            }
            if (Sums) col[tile.cols[e + i]] += g[e + i];
        }
    }

    // NV vectors of the rank from component c on.
    template <bool Rows, bool Cols, bool Sums = false>
    static HALFSEEN_INLINE void axpys(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g,
                                      const Staged<T>& rows, const RowSums<T>& sums, std::int64_t c, T* col) {
        for (int s = 0; s < tile.n_segments; ++s) {
            const Segment segment = tile.segments[s];
            V a[NV], sum[kAtOnce][NV];
            for (int v = 0; v < NV; ++v) {
                if (Cols) a[v] = load<W>(rows.at(s) + c + v * W);
                for (int i = 0; i < kAtOnce; ++i) {
                    if (Rows) sum[i][v] = splat<T, W>(T(0));
                }
            }
            int e = segment.begin;
            for (; e + kAtOnce <= segment.end; e += kAtOnce) {
                axpy_entries<Rows, Cols, Sums, kAtOnce>(tile, slots, part, g, e, c, a, sum, col);
            }
            for (; e < segment.end; ++e) {
                axpy_entries<Rows, Cols, Sums, 1>(tile, slots, part, g, e, c, a, sum, col);
            }
            if (Rows) {
                T* to = sums.at(segment.row) + c;
                for (int v = 0; v < NV; ++v) {
                    for (int i = 1; i < kAtOnce; ++i) sum[0][v] = sum[0][v] + sum[i][v];
                    add_first(to + v * W, sum[0][v], sums.k - c - v * W);
                }
            }
        }
    }

    // to[0 .. n) += the first n lanes
    static HALFSEEN_INLINE void add_first(T* to, V sum, std::int64_t n) {
        if (n >= W) {
            store(to, load<W>(to) + sum);
        } else {
            T lanes[W];
            store(lanes, sum);
            for (std::int64_t i = 0; i < n; ++i) to[i] += lanes[i];
        }
    }

    // Any rank: four vectors of the row at a time, over all entries of the tile.
    template <bool Rows, bool Cols>
    static void axpys_any(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g, const Staged<T>& rows,
                          const RowSums<T>& sums, T* col) {
        std::int64_t c = 0;
        for (; c + 4 * W <= slots.padded; c += 4 * W) {
            RankLoops<T, W, 4>::template axpys<Rows, Cols>(tile, slots, part, g, rows, sums, c, nullptr);
        }
        for (; c < slots.padded; c += W) {
            RankLoops<T, W, 1>::template axpys<Rows, Cols>(tile, slots, part, g, rows, sums, c, nullptr);
        }
        for (int e = 0; col && e < tile.n; ++e) col[tile.cols[e]] += g[e];
    }

    template <bool Rows, bool Cols>
    static HALFSEEN_INLINE void run(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g,
                                    const Staged<T>& rows, const RowSums<T>& sums, T* col = nullptr) {
        if constexpr (NV == 0) {
            axpys_any<Rows, Cols>(tile, slots, part, g, rows, sums, col);
        } else if (Rows && Cols && col) {
            axpys<Rows, Cols, Rows && Cols>(tile, slots, part, g, rows, sums, 0, col);
        } else {
            axpys<Rows, Cols>(tile, slots, part, g, rows, sums, 0, nullptr);
        }
    }

    static void to_rows(const Tile<T>& tile, Slots<T> slots, int part, const T* g, RowSums<T> sums) {
        run<true, false>(tile, slots, part, g, {nullptr, 0}, sums);
    }
    static void to_cols(const Tile<T>& tile, Slots<T> slots, int part, const T* g, Staged<T> rows) {
        run<false, true>(tile, slots, part, g, rows, {nullptr, 0});
    }
    static void to_both(const Tile<T>& tile, Slots<T> slots, int part, const T* g, Staged<T> rows, RowSums<T> sums,
                        T* col) {
        run<true, true>(tile, slots, part, g, rows, sums, col);
    }

    static RankOps<T> ops(std::int64_t k) {
        const std::int64_t vectors = NV ? NV : (k + W - 1) / W;
        return {stage, dots, to_rows, to_cols, to_both, vectors * W};
    }
};

template <class T>
RankOps<T> rank_ops(std::int64_t k) {
    constexpr int W = kLanes<T>;
    // Half-width vectors for small ranks: slots half as long, and a small table stays in the first-level cache.
    constexpr int H = W >= 8 ? W / 2 : W;
    if (k <= H) return RankLoops<T, H, 1>::ops(k);
    if (k <= W) return RankLoops<T, W, 1>::ops(k);
    if (k <= 2 * W) return RankLoops<T, W, 2>::ops(k);
    if (k <= 3 * W) return RankLoops<T, W, 3>::ops(k);
    if (k <= 4 * W) return RankLoops<T, W, 4>::ops(k);
    if (k <= 6 * W) return RankLoops<T, W, 6>::ops(k);
    if (k <= 8 * W) return RankLoops<T, W, 8>::ops(k);
    return RankLoops<T, W, 0>::ops(k);
}

}  // namespace HALFSEEN_SPACE
