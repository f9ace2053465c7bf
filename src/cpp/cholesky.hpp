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
        const V zero = splat<T, L>(T(0)), one = splat<T, L>(T(1));
        V bad = zero;
        for (std::int64_t j = 0; j < k_; ++j) {
            T* row_j = factor_.get() + j * (j + 1) / 2 * L;
            const V diagonal = load<L>(row_j + j * L);
            V pivot = diagonal;
            for (std::int64_t c = 0; c < j; ++c) {
                const V l = load<L>(row_j + c * L);
                pivot = pivot - l * l;
            }
            // A NaN pivot fails the comparison and so counts as bad.
            const V good = where_less(tolerance * diagonal, pivot, one, zero);
            bad = max(bad, one - good);
            V inverse = where_less(zero, good, pivot, one);
            for (int l = 0; l < L; ++l) set_lane(inverse, l, T(1) / std::sqrt(lane(inverse, l)));
            store(row_j + j * L, inverse);  // the diagonal is kept inverted
            eliminate_column(j, row_j, inverse);
        }
        substitute();
        for (int l = 0; l < L; ++l) singular[l] = lane(bad, l) > T(0);
    }

    T solution(int l, std::int64_t r) const { return x_[r * L + l]; }

private:
    static HALFSEEN_INLINE void set_lane(V& a, int l, T x) {
        a.v[l] = x;
    }

    // Column j of the rows below, four rows at a time: each element of row j is loaded once for all four.
    void eliminate_column(std::int64_t j, const T* row_j, V inverse) {
        std::int64_t i = j + 1;
        for (; i + 4 <= k_; i += 4) eliminate<4>(i, j, row_j, inverse);
        for (; i < k_; ++i) eliminate<1>(i, j, row_j, inverse);
    }

    template <int R>
    HALFSEEN_INLINE void eliminate(std::int64_t i, std::int64_t j, const T* row_j, V inverse) {
        T* row[R];
        V sum[R];
        for (int r = 0; r < R; ++r) {
            row[r] = factor_.get() + (i + r) * (i + r + 1) / 2 * L;
            sum[r] = load<L>(row[r] + j * L);
        }
        for (std::int64_t c = 0; c < j; ++c) {
            const V l = load<L>(row_j + c * L);
            for (int r = 0; r < R; ++r) sum[r] = sum[r] - l * load<L>(row[r] + c * L);
        }
        for (int r = 0; r < R; ++r) store(row[r] + j * L, sum[r] * inverse);
    }

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
