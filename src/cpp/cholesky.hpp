// Cholesky of a batch of small systems, one per vector lane.
//
// A single k x k factorisation is a chain of dependent square roots and short dots (some 700 cycles at k = 17);
// with one system per lane every operation is a full vector and the chain is shared by the whole batch.
#pragma once
#include <cmath>

#include "simd.hpp"

namespace HALFSEEN_SPACE {

template <class T>
struct Epsilon;
template <>
struct Epsilon<float> {
    static constexpr float value = 1.1920929e-7f;
};
template <>
struct Epsilon<double> {
    static constexpr double value = 2.220446049250313e-16;
};

template <class T, int L>
class CholeskyBatch {
public:
    using V = Vec<T, L>;

    // Noisy: L^-T times a given noise vector is added to every solution, which makes it a draw from N(solution, H^-1).
    explicit CholeskyBatch(std::int64_t k, bool noisy = false)
        : k_(k), noisy_(noisy), factor_(k * (k + 1) / 2 * L), x_(k * L), noise_(noisy ? k * L : 0) {}

    // One element of lane l's system: of the lower triangle, of the right-hand side, of the noise.
    void set(int l, std::int64_t r, std::int64_t c, T value) { factor_[(r * (r + 1) / 2 + c) * L + l] = value; }
    void set_right(int l, std::int64_t r, T value) { x_[r * L + l] = value; }
    void set_noise(int l, std::int64_t r, T value) { noise_[r * L + l] = value; }

    // Lane l's system: lower triangle of H (rows ld apart), right-hand side, and what to add to the diagonal.
    void load_system(int l, const T* H, std::int64_t ld, const T* rhs, T jitter) {
        std::int64_t at = l;
        for (std::int64_t r = 0; r < k_; ++r) {
            for (std::int64_t c = 0; c <= r; ++c, at += L) factor_[at] = H[r * ld + c];
            factor_[at - L] += jitter;
            x_[r * L + l] = rhs[r];
        }
    }

    void load_identity(int l) {
        std::int64_t at = l;
        for (std::int64_t r = 0; r < k_; ++r) {
            for (std::int64_t c = 0; c <= r; ++c, at += L) factor_[at] = T(c == r);
            x_[r * L + l] = T(0);
            if (noisy_) noise_[r * L + l] = T(0);
        }
    }

    // Factor and solve all lanes; singular[l] tells which lanes met a pivot lost in rounding.
    void solve(bool* singular) {
        // Below this share of its diagonal a pivot is rounding (see kernels/reference_newton.py).
        const T lost = std::pow(Epsilon<T>::value, T(0.75)), noise = T(8) * static_cast<T>(k_) * Epsilon<T>::value;
        const V tolerance = splat<T, L>(lost < noise ? noise : lost);
        V bad = splat<T, L>(T(0));
        for (std::int64_t first = 0; first < k_; first += kPanel) {
            const std::int64_t last = first + kPanel < k_ ? first + kPanel : k_;
            for (std::int64_t j = first; j < last; ++j) {
                invert_pivot(j, tolerance, bad);
                for (std::int64_t i = j + 1; i < last; ++i) eliminate<1, 1>(i, j);
            }
            // Only the last panel is narrower, and has no rows below.
            std::int64_t i = last;
            for (; i + 4 <= k_; i += 4) eliminate<4, kPanel>(i, first);
            for (; i < k_; ++i) eliminate<1, kPanel>(i, first);
        }
        substitute();
        for (int l = 0; l < L; ++l) singular[l] = lane(bad, l) > T(0);
    }

    T solution(int l, std::int64_t r) const { return x_[r * L + l]; }

private:
    // Columns eliminated together: as many as the registers hold (32 of 64 bytes, else 16).
    static constexpr int kPanel = sizeof(V) >= 64 ? 4 : 2;

    static HALFSEEN_INLINE void set_lane(V& a, int l, T x) {
        a.v[l] = x;
    }

    // The inverse root of pivot j, in the place of the diagonal; lanes where it is lost are marked and get 1.
    void invert_pivot(std::int64_t j, V tolerance, V& bad) {
        const V zero = splat<T, L>(T(0)), one = splat<T, L>(T(1));
        T* row = row_at(j);
        const V diagonal = load<L>(row + j * L);
        V pivot = diagonal;
        for (std::int64_t c = 0; c < j; ++c) {
            const V l = load<L>(row + c * L);
            pivot = pivot - l * l;
        }
        // A NaN pivot fails the comparison and so counts as bad.
        const V good = where_less(tolerance * diagonal, pivot, one, zero);
        bad = max(bad, one - good);
        V inverse = where_less(zero, good, pivot, one);
        for (int l = 0; l < L; ++l) set_lane(inverse, l, T(1) / std::sqrt(lane(inverse, l)));
        store(row + j * L, inverse);
    }

    // Columns j .. j + C of rows i .. i + R: each element is loaded once for the C columns (or the R rows), since large
    // systems do not fit the first cache.
    template <int R, int C>
    HALFSEEN_INLINE void eliminate(std::int64_t i, std::int64_t j) {
        const T* above[C];
        T* row[R];
        V sum[R][C];
        for (int s = 0; s < C; ++s) above[s] = row_at(j + s);
        for (int r = 0; r < R; ++r) {
            row[r] = row_at(i + r);
            for (int s = 0; s < C; ++s) sum[r][s] = load<L>(row[r] + (j + s) * L);
        }
        for (std::int64_t c = 0; c < j; ++c) {
            V l[C];
            for (int s = 0; s < C; ++s) l[s] = load<L>(above[s] + c * L);
            for (int r = 0; r < R; ++r) {
                const V own = load<L>(row[r] + c * L);
                for (int s = 0; s < C; ++s) sum[r][s] = sum[r][s] - l[s] * own;
            }
        }
        for (int s = 0; s < C; ++s) {
            const V inverse = load<L>(above[s] + (j + s) * L);
            for (int r = 0; r < R; ++r) {
                sum[r][s] = sum[r][s] * inverse;
                store(row[r] + (j + s) * L, sum[r][s]);
            }
            for (int t = s + 1; t < C; ++t) {
                const V l = load<L>(above[t] + (j + s) * L);
                for (int r = 0; r < R; ++r) sum[r][t] = sum[r][t] - l * sum[r][s];
            }
        }
    }

    T* row_at(std::int64_t i) { return factor_.get() + i * (i + 1) / 2 * L; }

    void substitute() {
        for (std::int64_t i = 0; i < k_; ++i) {
            const T* row = factor_.get() + i * (i + 1) / 2 * L;
            V sum = load<L>(x_.get() + i * L);
            for (std::int64_t c = 0; c < i; ++c) sum = sum - load<L>(row + c * L) * load<L>(x_.get() + c * L);
            store(x_.get() + i * L, sum * load<L>(row + i * L));
        }
        for (std::int64_t i = 0; noisy_ && i < k_; ++i) {
            T* x = x_.get() + i * L;
            store(x, load<L>(x) + load<L>(noise_.get() + i * L));
        }
        for (std::int64_t i = k_; i-- > 0;) {
            const T* row = factor_.get() + i * (i + 1) / 2 * L;
            const V x = load<L>(x_.get() + i * L) * load<L>(row + i * L);
            store(x_.get() + i * L, x);
            for (std::int64_t c = 0; c < i; ++c) {
                T* to = x_.get() + c * L;
                store(to, load<L>(to) - load<L>(row + c * L) * x);
            }
        }
    }

    std::int64_t k_;
    bool noisy_;
    Scratch<T> factor_, x_, noise_;
};

}  // namespace HALFSEEN_SPACE
