// Draws of every row's coefficients from their Gaussian conditional distribution: the least-squares kernel's matrices,
// with a prior that has a full precision matrix, plus one given noise vector per row.
#pragma once
#include "row_problem.hpp"

namespace HALFSEEN_SPACE {

using halfseen::DrawOptions;
using halfseen::DrawSums;

template <class T>
class RowDraws {
public:
    RowDraws(const Entries<T>& e, const Model<T>& model, const DrawOptions<T>& options, const DrawSums<T>& sums)
        : options_(options), sums_(sums), c_(e, model, plain_), cholesky_(c_.k, true), matrices_(kRows * c_.k * c_.ld),
          vectors_(kRows * c_.ld), x_(c_.ld) {}

    // Returns the sum of squared residuals at the draws.
    NewtonResult run(T* out) {
        NewtonResult result{0.0, 0};
        for (std::int64_t first = 0; first < c_.e.n_rows; first += kRows) {
            const int n = static_cast<int>(least<std::int64_t>(kRows, c_.e.n_rows - first));
            double squares[kRows];
            for (int s = 0; s < n; ++s) squares[s] = assemble(s, first + s);
            solve(first, n, result);
            for (int s = 0; s < n; ++s) {
                for (std::int64_t c = 0; c < c_.k; ++c) out[(first + s) * c_.k + c] = x_at(s, c);
                const double own = squares[s] + quadratic_at(s);
                result.value += options_.row_weights ? own * options_.row_weights[first + s] : own;
                tell(s, first + s, own);
            }
        }
        return result;
    }

private:
    static constexpr int kRows = kLanes<T>;

    T* matrix(int s) { return matrices_.get() + s * c_.k * c_.ld; }
    T* vector(int s) { return vectors_.get() + s * c_.ld; }
    T x_at(int s, std::int64_t c) const { return cholesky_.solution(s, c); }

    // H = sum_e w_e b_e b_e' and rhs = sum_e w_e b_e (y_e - offset_e); returns sum_e w_e (y_e - offset_e)^2.
    double assemble(int s, std::int64_t row) {
        T *H = matrix(s), *rhs = vector(s);
        fill_zero(H, c_.k * c_.ld);
        fill_zero(rhs, c_.ld);
        double squares = 0;
        const bool has_weights = c_.weighted() || options_.col_weights;
        c_.gatherer.for_tiles(row, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            if (options_.col_weights) weigh(t, c_.e.indices + c_.e.first(row) + at);
            squares += c_.centre(t, has_weights);
            c_.ops.combine(t.rows, t.n, t.g, c_.k, rhs);
            c_.ops.normal(t.rows, t.n, has_weights ? t.w : nullptr, c_.k, H);
        });
        return squares;
    }

    void weigh(RowTile<T>& t, const std::int32_t* cols) const {
        for (int i = 0; i < t.n; ++i) {
            const T own = options_.col_weights[cols[i]];
            t.w[i] = c_.weighted() ? t.w[i] * own : own;
        }
    }

    // What was asked for beside the draw of a row.
    void tell(int s, std::int64_t row, double squares) {
        const T *H = matrix(s), *rhs = vector(s);
        if (sums_.squares) sums_.squares[row] = squares;
        if (sums_.right) std::memcpy(sums_.right + row * c_.k, rhs, static_cast<std::size_t>(c_.k) * sizeof(T));
        if (!sums_.gram) return;
        T* full = sums_.gram + row * c_.k * c_.k;
        for (std::int64_t r = 0; r < c_.k; ++r) {
            for (std::int64_t c = 0; c <= r; ++c) full[r * c_.k + c] = full[c * c_.k + r] = H[r * c_.ld + c];
        }
    }

    // x = P^-1 (precision rhs + pull) + L^-T noise with P = precision H + prior = L L'. A singular lane is solved again
    // with the jitter sqrt(eps) * mean diagonal (see kernels/reference_newton.py).
    void solve(std::int64_t first, int n, NewtonResult& result) {
        bool singular[kRows], ignored[kRows], again = false;
        load(first, n, nullptr);
        cholesky_.solve(singular);
        for (int s = 0; s < n; ++s) {
            again = again || singular[s];
            result.n_failed += singular[s];
        }
        if (!again) return;
        load(first, n, singular);
        cholesky_.solve(ignored);
    }

    void load(std::int64_t first, int n, const bool* is_singular) {
        for (int s = 0; s < kRows; ++s) {
            if (s >= n) {
                cholesky_.load_identity(s);
                continue;
            }
            const T *H = matrix(s), *rhs = vector(s), *pull = options_.pull + (first + s) * options_.pull_stride;
            const T precision = options_.row_weights ? options_.precision * options_.row_weights[first + s]
                                                     : options_.precision;
            T trace = 0;
            for (std::int64_t c = 0; c < c_.k; ++c) trace += precision * H[c * c_.ld + c] + prior(c, c);
            const bool is_again = is_singular && is_singular[s];
            const T jitter = is_again ? std::sqrt(Epsilon<T>::value) * trace / static_cast<T>(c_.k) : T(0);
            for (std::int64_t r = 0; r < c_.k; ++r) {
                for (std::int64_t c = 0; c < r; ++c) {
                    cholesky_.set(s, r, c, precision * H[r * c_.ld + c] + prior(r, c));
                }
                cholesky_.set(s, r, r, precision * H[r * c_.ld + r] + prior(r, r) + jitter);
                cholesky_.set_right(s, r, precision * rhs[r] + pull[r]);
                cholesky_.set_noise(s, r, options_.noise[(first + s) * c_.k + r]);
            }
        }
    }

    T prior(std::int64_t r, std::int64_t c) const { return options_.prior[r * c_.k + c]; }

    // x'Hx - 2 rhs'x
    double quadratic_at(int s) {
        const T *H = matrix(s), *rhs = vector(s);
        for (std::int64_t c = 0; c < c_.k; ++c) x_[c] = x_at(s, c);
        double sum = -2.0 * c_.dot(rhs, x_.get());
        for (std::int64_t r = 0; r < c_.k; ++r) {
            double row = 0.5 * static_cast<double>(x_[r]) * H[r * c_.ld + r];
            for (std::int64_t c = 0; c < r; ++c) row += static_cast<double>(x_[c]) * H[r * c_.ld + c];
            sum += 2.0 * x_[r] * row;
        }
        return sum;
    }

    DrawOptions<T> options_;
    DrawSums<T> sums_;
    NewtonOptions<T> plain_{nullptr, nullptr, nullptr, 1, 0, 0, 0};
    RowContext<T> c_;
    CholeskyBatch<T, kRows> cholesky_;
    Scratch<T> matrices_, vectors_, x_;
};

template <class T>
NewtonResult row_draws(const Entries<T>& e, const Model<T>& model, const DrawOptions<T>& options,
                       const DrawSums<T>& sums, T* out) {
    return RowDraws<T>(e, model, options, sums).run(out);
}

}  // namespace HALFSEEN_SPACE
