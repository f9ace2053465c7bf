// Draws of the effects of features on the rows' coefficients, one feature after the other.
#pragma once
#include <cmath>
#include <cstring>

#include "cholesky.hpp"
#include "features.hpp"
#include "tile.hpp"

namespace HALFSEEN_SPACE {

using halfseen::EffectOptions;
using halfseen::FeatureTable;
using halfseen::ShiftOptions;

constexpr int kFeatureTile = 64;

// How much of feature j its entries first .. first + n have.
template <class T>
void amounts(const FeatureTable<T>& f, std::int64_t first, int n, T* a) {
    for (int i = 0; i < n; ++i) {
        a[i] = f.values ? f.values[first + i] : T(1);
        if (f.row_scale) a[i] *= f.row_scale[f.indices[first + i]];
    }
}

// Call body(first entry, their number, amounts) for all tiles of feature j.
template <class T, class Body>
void for_amounts(const FeatureTable<T>& f, std::int64_t j, Body body) {
    alignas(64) T a[kFeatureTile];
    for (std::int64_t at = f.indptr[j]; at < f.indptr[j + 1]; at += kFeatureTile) {
        const std::int64_t left = f.indptr[j + 1] - at;
        const int n = static_cast<int>(left < kFeatureTile ? left : kFeatureTile);
        amounts(f, at, n, a);
        body(at, n, a);
    }
}

// With residuals d_i = x_i - m - sum_j a_ij w_j of unit coordinates: w_j ~ N(q^-1 (l (sum_i a_ij d_i + c w_j) + mean),
// q^-1), q = c l + 1, c = sum_i a_ij^2, coordinate by coordinate; d_i follows.
template <class T>
void effect_draws(const FeatureTable<T>& f, const EffectOptions<T>& options, T* residuals, T* effects) {
    const std::int64_t k = options.last - options.first;
    const auto ops = feature_ops<T>(k);
    const std::int64_t ld = ops.padded;
    Scratch<T> D(f.n_rows * ld), sum(ld), step(ld);
    fill_zero(D.get(), f.n_rows * ld);
    const std::size_t bytes = static_cast<std::size_t>(k) * sizeof(T);
    for (std::int64_t i = 0; i < f.n_rows; ++i) {
        std::memcpy(D.get() + i * ld, residuals + i * options.k + options.first, bytes);
    }
    fill_zero(step.get(), ld);
    for (std::int64_t j = 0; j < f.n_features; ++j) {
        const T* rows[kFeatureTile];
        double size = 0;
        fill_zero(sum.get(), ld);
        for_amounts(f, j, [&](std::int64_t at, int n, const T* a) {
            for (int i = 0; i < n; ++i) {
                rows[i] = D.get() + f.indices[at + i] * ld;
                size += static_cast<double>(a[i]) * a[i];
            }
            ops.combine(rows, n, a, k, sum.get());
        });
        T* w = effects + j * options.k + options.first;
        const T* z = options.noise + j * options.k + options.first;
        for (std::int64_t c = 0; c < k; ++c) {
            const double l = options.precision[options.first + c], q = size * l + 1.0;
            const double centre = (l * (sum[c] + size * w[c]) + options.mean[options.first + c]) / q;
            const T drawn = static_cast<T>(centre + z[c] / std::sqrt(q));
            step[c] = drawn - w[c];
            w[c] = drawn;
        }
        for_amounts(f, j, [&](std::int64_t at, int n, const T* a) {
            for (int i = 0; i < n; ++i) {
                T* d = D.get() + f.indices[at + i] * ld;
                for (std::int64_t c = 0; c < ld; ++c) d[c] -= a[i] * step[c];
            }
        });
    }
    for (std::int64_t i = 0; i < f.n_rows; ++i) {
        std::memcpy(residuals + i * options.k + options.first, D.get() + i * ld, bytes);
    }
}

// With x_i = v_i - sum_j a_ij w_j held fixed and h_i = right_i - G_i v_i (G_i, right_i: normal equations of the row's
// entries): w_j has the precision Q = prior + tau sum_i a_ij^2 G_i and the right side pull + tau sum_i a_ij (h_i + a_ij
// G_i w_j); v_i and h_i follow. Returns how many Q were singular in this arithmetic; their effects stay.
template <class T>
std::int64_t shift_draws(const FeatureTable<T>& f, const ShiftOptions<T>& options, T* right, T* rows, T* effects) {
    const std::int64_t k = options.k;
    CholeskyBatch<double, 2> cholesky(k, true);  // one system at a time; the other lane is idle
    Scratch<double> P(k * k), h(k);
    Scratch<T> step(k);
    std::int64_t n_failed = 0;
    for (std::int64_t j = 0; j < f.n_features; ++j) {
        fill_zero(P.get(), k * k);
        fill_zero(h.get(), k);
        for_amounts(f, j, [&](std::int64_t at, int n, const T* a) {
            for (int i = 0; i < n; ++i) {
                const std::int64_t row = f.indices[at + i];
                const double own = options.row_weights ? options.row_weights[row] : 1.0;
                const double once = own * a[i], twice = once * a[i];
                const T* G = options.gram + row * k * k;
                for (std::int64_t c = 0; c < k * k; ++c) P[c] += twice * G[c];
                for (std::int64_t c = 0; c < k; ++c) h[c] += once * right[row * k + c];
            }
        });
        T* w = effects + j * k;
        for (std::int64_t r = 0; r < k; ++r) {
            double held = h[r];
            for (std::int64_t c = 0; c < k; ++c) held += P[r * k + c] * w[c];
            for (std::int64_t c = 0; c <= r; ++c) {
                cholesky.set(0, r, c, options.prior[r * k + c] + options.precision * P[r * k + c]);
            }
            cholesky.set_right(0, r, options.pull[r] + options.precision * held);
            cholesky.set_noise(0, r, options.noise[j * k + r]);
        }
        bool singular[2];
        cholesky.load_identity(1);
        cholesky.solve(singular);
        n_failed += singular[0];
        for (std::int64_t c = 0; c < k; ++c) {
            const T drawn = singular[0] ? w[c] : static_cast<T>(cholesky.solution(0, c));
            step[c] = drawn - w[c];
            w[c] = drawn;
        }
        for_amounts(f, j, [&](std::int64_t at, int n, const T* a) {
            for (int i = 0; i < n; ++i) {
                const std::int64_t row = f.indices[at + i];
                const T* G = options.gram + row * k * k;
                T *v = rows + row * k, *held = right + row * k;
                for (std::int64_t r = 0; r < k; ++r) {
                    T sum = 0;
                    for (std::int64_t c = 0; c < k; ++c) sum += G[r * k + c] * step[c];
                    held[r] -= a[i] * sum;
                    v[r] += a[i] * step[r];
                }
            }
        });
    }
    return n_failed;
}

}  // namespace HALFSEEN_SPACE
