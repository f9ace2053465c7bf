// Means and covariances of many small normal distributions from their precisions, one per vector lane.
#pragma once
#include <cmath>

#include "cholesky.hpp"

namespace HALFSEEN_SPACE {

using halfseen::NormalSystems;

// One batch: the lower triangle of each precision becomes its Cholesky factor, that the factor's inverse, that the
// covariance; rows and columns as in r (r + 1) / 2 + c, lanes innermost.
class MomentBatch {
public:
    static constexpr int kRows = kLanes<double>;
    using V = Vec<double, kRows>;

    explicit MomentBatch(std::int64_t k) : k_(k), a_(k * (k + 1) / 2 * kRows), right_(k * kRows) {}

    double& at(int s, std::int64_t r, std::int64_t c) { return a_[(r * (r + 1) / 2 + c) * kRows + s]; }
    double& right(int s, std::int64_t r) { return right_[r * kRows + s]; }

    void invert() {
        factor();
        invert_factor();
        multiply();
    }

    // Covariance times right, row r of all lanes.
    V mean(std::int64_t r) const {
        V sum = splat<double, kRows>(0.0);
        for (std::int64_t c = 0; c < k_; ++c) {
            sum = sum + load<kRows>(c <= r ? place(r, c) : place(c, r)) * load<kRows>(right_.get() + c * kRows);
        }
        return sum;
    }

private:
    double* place(std::int64_t r, std::int64_t c) const { return a_.get() + (r * (r + 1) / 2 + c) * kRows; }

    // A pivot below the rounding of its diagonal counts as that rounding: the precision has a proper prior in it.
    void factor() {
        const V tiny = splat<double, kRows>(4.0 * static_cast<double>(k_) * Epsilon<double>::value);
        for (std::int64_t j = 0; j < k_; ++j) {
            V pivot = load<kRows>(place(j, j));
            const V least = tiny * pivot;
            for (std::int64_t c = 0; c < j; ++c) {
                const V l = load<kRows>(place(j, c));
                pivot = pivot - l * l;
            }
            V inverse = where_less(least, pivot, pivot, least);
            for (int s = 0; s < kRows; ++s) inverse.v[s] = 1.0 / std::sqrt(lane(inverse, s));
            store(place(j, j), inverse);
            std::int64_t i = j + 1;
            for (; i + 4 <= k_; i += 4) below<4>(i, j, inverse);
            for (; i < k_; ++i) below<1>(i, j, inverse);
        }
    }

    // Elements (i .. i + R, j) of the factor: each element of row j is loaded once for all R.
    template <int R>
    HALFSEEN_INLINE void below(std::int64_t i, std::int64_t j, V inverse) {
        V sum[R];
        for (int r = 0; r < R; ++r) sum[r] = load<kRows>(place(i + r, j));
        for (std::int64_t c = 0; c < j; ++c) {
            const V l = load<kRows>(place(j, c));
            for (int r = 0; r < R; ++r) sum[r] = sum[r] - l * load<kRows>(place(i + r, c));
        }
        for (int r = 0; r < R; ++r) store(place(i + r, j), sum[r] * inverse);
    }

    // M = L^-1 in place, row by row: M_ij = -(sum_{j <= c < i} L_ic M_cj) / L_ii, the diagonal being inverted already.
    void invert_factor() {
        const V zero = splat<double, kRows>(0.0);
        for (std::int64_t i = 1; i < k_; ++i) {
            const V negative = zero - load<kRows>(place(i, i));
            for (std::int64_t j = 0; j < i; ++j) {
                V sum = zero;
                for (std::int64_t c = j; c < i; ++c) {
                    sum = sum + load<kRows>(place(i, c)) * load<kRows>(place(c, j));
                }
                store(place(i, j), sum * negative);
            }
        }
    }

    // C = M'M in place: C_rc needs the rows from r on alone, so that rows are written from the top.
    void multiply() {
        for (std::int64_t r = 0; r < k_; ++r) {
            for (std::int64_t c = 0; c <= r; ++c) {
                V sum = load<kRows>(place(r, r)) * load<kRows>(place(r, c));
                for (std::int64_t i = r + 1; i < k_; ++i) {
                    sum = sum + load<kRows>(place(i, r)) * load<kRows>(place(i, c));
                }
                store(place(r, c), sum);
            }
        }
    }

    std::int64_t k_;
    Scratch<double> a_, right_;
};

inline void normal_moments(const NormalSystems& systems, double* mean, double* covariance) {
    constexpr int kRows = MomentBatch::kRows;
    const std::int64_t k = systems.k, m = k * (k + 1) / 2;
    MomentBatch batch(k);
    for (std::int64_t first = 0; first < systems.n; first += kRows) {
        const int n = static_cast<int>(systems.n - first < kRows ? systems.n - first : kRows);
        for (int s = 0; s < kRows; ++s) {
            const std::int64_t system = first + (s < n ? s : 0);  // lanes without a system repeat the first
            const double *line = systems.lines + system * m, *right = systems.right + system * k;
            const double* diagonal = systems.diagonal + system * systems.diagonal_stride;
            const double scale = systems.scale[system];
            for (std::int64_t c = 0; c < k; ++c) {
                batch.at(s, c, c) = scale * *line++ + diagonal[c];
                for (std::int64_t r = c + 1; r < k; ++r) batch.at(s, r, c) = scale * *line++;
                batch.right(s, c) = scale * right[c];
            }
        }
        batch.invert();
        for (std::int64_t r = 0; r < k; ++r) {
            const auto means = batch.mean(r);
            for (int s = 0; s < n; ++s) mean[(first + s) * k + r] = lane(means, s);
        }
        for (int s = 0; s < n; ++s) {
            double* to = covariance + (first + s) * k * k;
            for (std::int64_t r = 0; r < k; ++r) {
                for (std::int64_t c = 0; c <= r; ++c) to[r * k + c] = to[c * k + r] = batch.at(s, r, c);
            }
        }
    }
}

}  // namespace HALFSEEN_SPACE
