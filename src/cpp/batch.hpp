// Normal matrices of a batch of rows, one per vector lane, and the exact least squares that they give.
#pragma once
#include "row_problem.hpp"

namespace HALFSEEN_SPACE {

template <class T>
class BatchSolver {
public:
    static constexpr int kRows = kLanes<T>;

    BatchSolver(RowContext<T>& context, Row<T>* rows)
        : c_(context), rows_(rows), cholesky_(context.options.cg_steps ? 0 : context.k) {}

    // rhs = sum_e w_e b_e (y_e - offset_e) + pull; H = sum_e w_e b_e b_e' + ridge: exact least squares in one pass.
    void least_squares(int n) {
        for (int s = 0; s < n; ++s) {
            Row<T>& row = rows_[s];
            clear(row);
            double squares = 0;
            c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t) {
                squares += c_.centre(t);
                c_.ops.combine(t.rows, t.n, t.g, c_.k, row.rhs);
                c_.ops.normal(t.rows, t.n, c_.weighted() ? t.w : nullptr, c_.k, row.H);
            });
            row.value = 0.5 * squares;
            add_ridge(row);
            for (std::int64_t c = 0; c < c_.k; ++c) row.rhs[c] += row.penalty.pull_at(c);
        }
        solve(n);
        for (int s = 0; s < n; ++s) {
            Row<T>& row = rows_[s];
            const bool unusable = row.failed && c_.dot(row.step, row.step) == 0.0;
            for (std::int64_t c = 0; c < c_.k && !unusable; ++c) row.x[c] = row.step[c];
            // At the exact solution x'Hx = rhs'x.
            row.value += row.failed ? normal_value(row) : -0.5 * c_.dot(row.rhs, row.x);
        }
    }

    void clear(Row<T>& row) {
        fill_zero(row.H, c_.k * c_.ld);
        fill_zero(row.rhs, c_.ld);
    }

    void add_ridge(Row<T>& row) {
        for (std::int64_t c = 0; c < c_.k; ++c) row.H[c * c_.ld + c] += row.penalty.ridge_at(c);
    }

    // step = H^-1 rhs for the first n rows that are active. A singular lane is solved again with the jitter
    // sqrt(eps) * mean diagonal (see kernels/reference_newton.py), or gets a zero step.
    void solve(int n) {
        T jitter[kRows] = {};
        bool singular[kRows], ignored[kRows];
        solve_with(n, jitter, singular);
        bool again = false;
        for (int s = 0; s < n; ++s) {
            if (!rows_[s].active || !singular[s]) continue;
            rows_[s].failed = again = true;
            T trace = 0;
            for (std::int64_t c = 0; c < c_.k; ++c) trace += rows_[s].H[c * c_.ld + c];
            jitter[s] = std::sqrt(Epsilon<T>::value) * trace / static_cast<T>(c_.k);
        }
        if (!again) return;
        solve_with(n, jitter, ignored);
        for (int s = 0; s < n; ++s) {
            const bool usable = jitter[s] > T(0) && std::isfinite(c_.dot(rows_[s].step, rows_[s].step));
            if (rows_[s].active && singular[s] && !usable) fill_zero(rows_[s].step, c_.ld);
        }
    }

private:
    // x'Hx / 2 - rhs'x at the row's x
    double normal_value(const Row<T>& row) const {
        double sum = -c_.dot(row.rhs, row.x);
        for (std::int64_t r = 0; r < c_.k; ++r) {
            for (std::int64_t c = 0; c <= r; ++c) {
                const double product = static_cast<double>(row.x[r]) * row.x[c];
                sum += (c == r ? 0.5 : 1.0) * product * row.H[r * c_.ld + c];
            }
        }
        return sum;
    }

    void solve_with(int n, const T* jitter, bool* singular) {
        for (int s = 0; s < kRows; ++s) {
            if (s < n && rows_[s].active) {
                cholesky_.load_system(s, rows_[s].H, c_.ld, rows_[s].rhs, jitter[s]);
            } else {
                cholesky_.load_identity(s);
            }
        }
        cholesky_.solve(singular);
        for (int s = 0; s < n; ++s) {
            for (std::int64_t c = 0; c < c_.k; ++c) rows_[s].step[c] = cholesky_.solution(s, c);
        }
    }

    RowContext<T>& c_;
    Row<T>* rows_;
    CholeskyBatch<T, kRows> cholesky_;
};

}  // namespace HALFSEEN_SPACE
