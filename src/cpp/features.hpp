// The features B_j of one row's entries, read where they lie: dots, weighted sums and normal matrices.
#pragma once
#include "rank_ops.hpp"

namespace HALFSEEN_SPACE {

// B's rows in whole vectors: reading one may run into the next row (those lanes are masked or never looked at), so the
// last rows, where it would run off the array, are kept in a padded copy.
template <class T>
class FeatureRows {
public:
    FeatureRows(const T* B, std::int64_t n, std::int64_t k, std::int64_t padded)
        : B_(B), k_(k), padded_(padded), safe_(count_safe(n, k, padded)), tail_((n - safe_) * padded) {
        for (std::int64_t j = safe_; j < n; ++j) {
            T* to = tail_.get() + (j - safe_) * padded;
            for (std::int64_t c = 0; c < padded; ++c) to[c] = c < k ? B[j * k + c] : T(0);
        }
    }

    const T* row(std::int64_t j) const { return j < safe_ ? B_ + j * k_ : tail_.get() + (j - safe_) * padded_; }

private:
    static std::int64_t count_safe(std::int64_t n, std::int64_t k, std::int64_t padded) {
        if (k == 0) return n;
        return n * k < padded ? 0 : (n * k - padded) / k + 1;
    }

    const T* B_;
    std::int64_t k_, padded_, safe_;
    Scratch<T> tail_;
};

template <class T>
struct FeatureOps {
    // m_e = <x, row e>; x padded with zeros; writes up to whole groups of four
    void (*dots)(const T* const* rows, int n, const T* x, std::int64_t k, T* m);
    // out += sum_e g_e row_e; out padded, its padding is meaningless afterwards
    void (*combine)(const T* const* rows, int n, const T* g, std::int64_t k, T* out);
    // lower triangle of H += sum_e w_e row_e row_e' (w null: ones); rows of H are `padded` apart
    void (*normal)(const T* const* rows, int n, const T* w, std::int64_t k, T* H);
    std::int64_t padded;
};

template <class T, int W>
struct FeatureLoops {
    using V = Vec<T, W>;

    static std::int64_t padded_of(std::int64_t k) { return (k + W - 1) / W * W; }

    static void dots(const T* const* rows, int n, const T* x, std::int64_t k, T* m) {
        const std::int64_t whole = k / W * W;
        const int rest = static_cast<int>(k - whole);
        for (int e = 0; e < n; e += 4) {
            const T* b[4];
            V sums[4];
            for (int i = 0; i < 4; ++i) {
                b[i] = rows[e + i < n ? e + i : e];
                sums[i] = splat<T, W>(T(0));
            }
            for (std::int64_t c = 0; c < whole; c += W) {
                const V xc = load<W>(x + c);
                for (int i = 0; i < 4; ++i) sums[i] = sums[i] + xc * load<W>(b[i] + c);
            }
            if (rest) {
                const V xc = load<W>(x + whole);
                for (int i = 0; i < 4; ++i) sums[i] = sums[i] + xc * first_lanes(load<W>(b[i] + whole), rest);
            }
            if constexpr (W >= 4) {
                store_sums<4>(sums, m + e);
            } else {
                for (int i = 0; i < 4; ++i) m[e + i] = sum_lanes(sums[i]);
            }
        }
    }

    // NC vectors of sum_e g_e row_e from column c0 on; four entries in flight to hide the latency of the adds.
    template <int NC>
    static void combine_columns(const T* const* rows, int n, const T* g, std::int64_t c0, T* out) {
        constexpr int U = NC >= 4 ? 2 : 4;
        V sum[U][NC];
        for (int u = 0; u < U; ++u) {
            for (int c = 0; c < NC; ++c) sum[u][c] = splat<T, W>(T(0));
        }
        int e = 0;
        for (; e + U <= n; e += U) {
            for (int u = 0; u < U; ++u) {
                const V ge = splat<T, W>(g[e + u]);
                for (int c = 0; c < NC; ++c) sum[u][c] = sum[u][c] + ge * load<W>(rows[e + u] + c0 + c * W);
            }
        }
        for (; e < n; ++e) {
            for (int c = 0; c < NC; ++c) sum[0][c] = sum[0][c] + splat<T, W>(g[e]) * load<W>(rows[e] + c0 + c * W);
        }
        for (int c = 0; c < NC; ++c) {
            V total = sum[0][c];
            for (int u = 1; u < U; ++u) total = total + sum[u][c];
            T* to = out + c0 + c * W;
            store(to, load<W>(to) + total);
        }
    }

    static void combine(const T* const* rows, int n, const T* g, std::int64_t k, T* out) {
        const std::int64_t padded = padded_of(k);
        std::int64_t c = 0;
        for (; c + 4 * W <= padded; c += 4 * W) combine_columns<4>(rows, n, g, c, out);
        switch ((padded - c) / W) {
            case 3:
                return combine_columns<3>(rows, n, g, c, out);
            case 2:
                return combine_columns<2>(rows, n, g, c, out);
            case 1:
                return combine_columns<1>(rows, n, g, c, out);
            default:
                return;
        }
    }

    // MR rows x NC vectors of H in registers, over all entries; few accumulators: two entries in flight.
    template <int MR, int NC, bool Weighted>
    static void normal_block(const T* const* rows, int n, const T* w, std::int64_t r0, std::int64_t c0, T* H,
                             std::int64_t ld) {
        constexpr int U = MR * NC >= 8 ? 1 : (MR * NC >= 4 ? 2 : 4);
        V sum[U][MR][NC];
        for (int u = 0; u < U; ++u) {
            for (int r = 0; r < MR; ++r) {
                for (int c = 0; c < NC; ++c) sum[u][r][c] = splat<T, W>(T(0));
            }
        }
        const auto add = [&](int e, V(&to)[MR][NC]) {
            const T* b = rows[e];
            V v[NC];
            for (int c = 0; c < NC; ++c) {
                v[c] = load<W>(b + c0 + c * W);
                if (Weighted) v[c] = v[c] * splat<T, W>(w[e]);
            }
            for (int r = 0; r < MR; ++r) {
                const V left = splat<T, W>(b[r0 + r]);
                for (int c = 0; c < NC; ++c) to[r][c] = to[r][c] + left * v[c];
            }
        };
        int e = 0;
        for (; e + U <= n; e += U) {
            for (int u = 0; u < U; ++u) add(e + u, sum[u]);
        }
        for (; e < n; ++e) add(e, sum[0]);
        for (int r = 0; r < MR; ++r) {
            for (int c = 0; c < NC; ++c) {
                V total = sum[0][r][c];
                for (int u = 1; u < U; ++u) total = total + sum[u][r][c];
                T* to = H + (r0 + r) * ld + c0 + c * W;
                store(to, load<W>(to) + total);
            }
        }
    }

    // The lower triangle needs columns 0 .. r0 + MR - 1 of these rows.
    template <int MR, int MaxNC, bool Weighted>
    static void normal_rows(const T* const* rows, int n, const T* w, std::int64_t r0, T* H, std::int64_t ld) {
        std::int64_t vectors = (r0 + MR - 1) / W + 1, c0 = 0;
        for (; vectors > 0; vectors -= MaxNC, c0 += MaxNC * W) {
            if (vectors >= 4 && MaxNC >= 4) {
                normal_block<MR, MaxNC >= 4 ? 4 : 1, Weighted>(rows, n, w, r0, c0, H, ld);
            } else if (vectors >= 3 && MaxNC >= 3) {
                normal_block<MR, MaxNC >= 3 ? 3 : 1, Weighted>(rows, n, w, r0, c0, H, ld);
            } else if (vectors >= 2 && MaxNC >= 2) {
                normal_block<MR, MaxNC >= 2 ? 2 : 1, Weighted>(rows, n, w, r0, c0, H, ld);
            } else {
                normal_block<MR, 1, Weighted>(rows, n, w, r0, c0, H, ld);
            }
        }
    }

    template <bool Weighted>
    static void normal_weighted(const T* const* rows, int n, const T* w, std::int64_t k, T* H) {
        const std::int64_t ld = padded_of(k);
        // 32 registers hold 8 x 3 sums, 16 hold 4 x 3 (x86-64-v2 and v3).
        constexpr bool kMany = kVectorBytes == 64;
        std::int64_t r = 0;
        for (; r + 8 <= k && (r + 7) / W + 1 <= (kMany ? 3 : 1); r += 8) {
            normal_rows<8, kMany ? 3 : 1, Weighted>(rows, n, w, r, H, ld);
        }
        for (; r + 4 <= k; r += 4) normal_rows<4, kMany ? 4 : 3, Weighted>(rows, n, w, r, H, ld);
        for (; r + 2 <= k; r += 2) normal_rows<2, 4, Weighted>(rows, n, w, r, H, ld);
        for (; r < k; ++r) normal_rows<1, 4, Weighted>(rows, n, w, r, H, ld);
    }

    static void normal(const T* const* rows, int n, const T* w, std::int64_t k, T* H) {
        if (w) {
            normal_weighted<true>(rows, n, w, k, H);
        } else {
            normal_weighted<false>(rows, n, w, k, H);
        }
    }

    static FeatureOps<T> ops(std::int64_t k) { return {dots, combine, normal, padded_of(k)}; }
};

template <class T>
FeatureOps<T> feature_ops(std::int64_t k) {
    constexpr int W = kLanes<T>;
    // Half-width vectors waste less on the triangle of a small matrix.
    constexpr int H = W >= 8 ? W / 2 : W;
    return k <= 3 * H ? FeatureLoops<T, H>::ops(k) : FeatureLoops<T, W>::ops(k);
}

}  // namespace HALFSEEN_SPACE
