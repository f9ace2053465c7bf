// The loops over the rank: dots and axpys of a tile, with the number of vectors per row known at compile time for
// common ranks.
#pragma once
#include "tile.hpp"

namespace HALFSEEN_SPACE {

template <class T>
struct RankOps {
    // copy the segments' rows of a (n, k) array to their padded places; the padding is left alone
    void (*stage)(const Tile<T>&, const T* A, std::int64_t k, Staged<T>);
    // m_e = <row, slot part> of every entry
    void (*dots)(const Tile<T>&, Slots<T>, int part, Staged<T>, T* m);
    // rows' sums += g_e * slot part
    void (*to_rows)(const Tile<T>&, Slots<T>, int part, const T* g, RowSums<T> sums);
    // slot part += g_e * row
    void (*to_cols)(const Tile<T>&, Slots<T>, int part, const T* g, Staged<T>);
    // both at once: rows' sums += g_e * slot part, slot part + 1 += g_e * row
    void (*to_both)(const Tile<T>&, Slots<T>, int part, const T* g, Staged<T> rows, RowSums<T> sums);
    std::int64_t padded;
};

// W lanes, NV vectors per row; NV = 0: counted at run time.
template <class T, int W, int NV>
struct RankLoops {
    using V = Vec<T, W>;

    template <int N>
    static HALFSEEN_INLINE void dot_group(const Slots<T>& slots, int part, const std::int32_t* cols, const T* a, T* m) {
        V sums[N];
        const T* b[N];
        for (int i = 0; i < N; ++i) b[i] = slots.at(cols[i], part);
        const int vectors = NV ? NV : static_cast<int>(slots.padded / W);
        const V first = load<W>(a);
        for (int i = 0; i < N; ++i) sums[i] = first * load<W>(b[i]);
        for (int v = 1; v < vectors; ++v) {
            const V av = load<W>(a + v * W);
            for (int i = 0; i < N; ++i) sums[i] = sums[i] + av * load<W>(b[i] + v * W);
        }
        store_sums<(N < W ? N : W)>(sums, m);
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

    static void dots(const Tile<T>& tile, Slots<T> slots, int part, Staged<T> rows, T* m) {
        // As many dots at once as there are lanes, so that their sums fill a vector; at most 8, for the registers. The
        // last group may run into the next segment's entries: they are valid columns, and done again later.
        constexpr int kGroup = W < 8 ? W : 8;
        for (int s = 0; s < tile.n_segments; ++s) {
            const T* a = rows.at(s);
            const int end = tile.segments[s].end;
            for (int e = tile.segments[s].begin; e < end; e += kGroup) {
                dot_group<kGroup>(slots, part, tile.cols + e, a, m + e);
            }
        }
    }

    // A row's columns are distinct, so all slots are read before any is written: else every read waits for the address
    // of the write before it.
    static constexpr int kAtOnce = NV <= 2 ? 4 : (NV <= 4 ? 2 : 1);  // as the registers allow

    template <bool Rows, bool Cols, int N>
    static HALFSEEN_INLINE void axpy_entries(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g, int e,
                                             std::int64_t c, const V (&a)[NV], V (&sum)[NV]) {
        T* slot[N];
        V target[N][NV];
        for (int i = 0; i < N; ++i) {
            const V ge = splat<T, W>(g[e + i]);
            slot[i] = slots.at(tile.cols[e + i], part) + c;
            for (int v = 0; v < NV; ++v) {
                if (Rows) sum[v] = sum[v] + ge * load<W>(slot[i] + v * W);
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
        }
    }

    // NV vectors of the rank from component c on.
    template <bool Rows, bool Cols>
    static HALFSEEN_INLINE void axpys(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g,
                                      const Staged<T>& rows, const RowSums<T>& sums, std::int64_t c = 0) {
        for (int s = 0; s < tile.n_segments; ++s) {
            const Segment segment = tile.segments[s];
            V a[NV], sum[NV];
            for (int v = 0; v < NV; ++v) {
                if (Cols) a[v] = load<W>(rows.at(s) + c + v * W);
                if (Rows) sum[v] = splat<T, W>(T(0));
            }
            int e = segment.begin;
            for (; e + kAtOnce <= segment.end; e += kAtOnce) {
                axpy_entries<Rows, Cols, kAtOnce>(tile, slots, part, g, e, c, a, sum);
            }
            for (; e < segment.end; ++e) axpy_entries<Rows, Cols, 1>(tile, slots, part, g, e, c, a, sum);
            if (Rows) {
                T* to = sums.at(segment.row) + c;
                for (int v = 0; v < NV; ++v) add_first(to + v * W, sum[v], sums.k - c - v * W);
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
                          const RowSums<T>& sums) {
        std::int64_t c = 0;
        for (; c + 4 * W <= slots.padded; c += 4 * W) {
            RankLoops<T, W, 4>::template axpys<Rows, Cols>(tile, slots, part, g, rows, sums, c);
        }
        for (; c < slots.padded; c += W) {
            RankLoops<T, W, 1>::template axpys<Rows, Cols>(tile, slots, part, g, rows, sums, c);
        }
    }

    template <bool Rows, bool Cols>
    static HALFSEEN_INLINE void run(const Tile<T>& tile, const Slots<T>& slots, int part, const T* g,
                                    const Staged<T>& rows, const RowSums<T>& sums) {
        if constexpr (NV > 0) {
            axpys<Rows, Cols>(tile, slots, part, g, rows, sums);
        } else {
            axpys_any<Rows, Cols>(tile, slots, part, g, rows, sums);
        }
    }

    static void to_rows(const Tile<T>& tile, Slots<T> slots, int part, const T* g, RowSums<T> sums) {
        run<true, false>(tile, slots, part, g, {nullptr, 0}, sums);
    }
    static void to_cols(const Tile<T>& tile, Slots<T> slots, int part, const T* g, Staged<T> rows) {
        run<false, true>(tile, slots, part, g, rows, {nullptr, 0});
    }
    static void to_both(const Tile<T>& tile, Slots<T> slots, int part, const T* g, Staged<T> rows, RowSums<T> sums) {
        run<true, true>(tile, slots, part, g, rows, sums);
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
