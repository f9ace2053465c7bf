// Damped Newton for the families whose curvature moves: step, then halve until the row's objective goes down.
#pragma once
#include "batch.hpp"
#include "conjugate.hpp"

namespace HALFSEEN_SPACE {

template <class T>
class DampedNewton {
public:
    DampedNewton(RowContext<T>& context, Row<T>* rows, BatchSolver<T>& batch, RowConjugateGradients<T>& cg)
        : c_(context), rows_(rows), batch_(batch), cg_(cg) {}

    void run(int n) {
        for (int s = 0; s < n; ++s) start(rows_[s]);
        for (int step = 0; step < c_.options.steps; ++step) {
            for (int s = 0; s < n; ++s) {
                if (rows_[s].active) direction_by_cg() ? newton_cg(rows_[s]) : assemble(rows_[s]);
            }
            if (!direction_by_cg()) batch_.solve(n);
            for (int s = 0; s < n; ++s) {
                if (rows_[s].active) search(rows_[s]);
            }
        }
    }

private:
    bool direction_by_cg() const { return c_.options.cg_steps > 0; }

    // Linear predictors and objective at x.
    void start(Row<T>& row) {
        row.value = row.penalty.value(row.x);
        c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            c_.ops.dots(t.rows, t.n, row.x, c_.k, t.m);
            for (int j = 0; j < t.n; ++j) row.m[at + j] = t.m[j] + (c_.gatherer.has_base() ? t.base[j] : T(0));
            row.value += loss_at(t, row.m + at);
        });
    }

    double loss_at(RowTile<T>& t, const T* m) {
        return evaluate(buffer_of(t, c_.weighted(), m, false), c_.model.family, c_.model.trials);
    }

    // H = sum_e w_e psi'' b_e b_e' + ridge, rhs = -gradient.
    void assemble(Row<T>& row) {
        batch_.clear(row);
        c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            evaluate(buffer_of(t, c_.weighted(), row.m + at, true), c_.model.family, c_.model.trials);
            c_.ops.combine(t.rows, t.n, t.g, c_.k, row.rhs);
            c_.ops.normal(t.rows, t.n, t.t, c_.k, row.H);
        });
        batch_.add_ridge(row);
        negate_gradient(row);
    }

    void negate_gradient(Row<T>& row) {
        for (std::int64_t c = 0; c < c_.k; ++c) {
            row.rhs[c] = row.penalty.pull_at(c) - row.penalty.ridge_at(c) * row.x[c] - row.rhs[c];
        }
    }

    // The same direction by a few conjugate-gradient steps from zero; dm holds the curvatures meanwhile.
    void newton_cg(Row<T>& row) {
        fill_zero(row.rhs, c_.ld);
        fill_zero(row.step, c_.ld);
        c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            evaluate(buffer_of(t, c_.weighted(), row.m + at, true), c_.model.family, c_.model.trials);
            c_.ops.combine(t.rows, t.n, t.g, c_.k, row.rhs);
            for (int j = 0; j < t.n; ++j) row.dm[at + j] = t.t[j];
        });
        negate_gradient(row);
        cg_.solve(row, row.dm, row.rhs, row.step, c_.options.cg_steps);
    }

    void search(Row<T>& row) {
        c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            c_.ops.dots(t.rows, t.n, row.step, c_.k, t.m);
            for (int j = 0; j < t.n; ++j) row.dm[at + j] = t.m[j];
        });
        // Rounding of the objective must not refuse the last digits of a converged row.
        const double limit = row.value + 8 * static_cast<double>(Epsilon<T>::value) * (1 + std::fabs(row.value));
        T length = T(1);
        for (int halving = 0; halving <= c_.options.max_halvings; ++halving, length *= T(0.5)) {
            const double value = value_along(row, length);
            if (!(value <= limit)) continue;
            row.value = value;
            for (std::int64_t c = 0; c < c_.k; ++c) row.x[c] += length * row.step[c];
            for (std::int64_t j = 0; j < row.count; ++j) row.m[j] += length * row.dm[j];
            return;
        }
        row.active = false;
    }

    // Objective at x + length * step, from the kept linear predictors: no look at the features.
    double value_along(const Row<T>& row, T length) {
        double value = 0;
        for (std::int64_t c = 0; c < c_.k; ++c) {
            const double x = row.x[c] + length * row.step[c];
            value += 0.5 * row.penalty.ridge_at(c) * x * x - row.penalty.pull_at(c) * x;
        }
        const std::int64_t first = c_.e.first(row.index);
        for (std::int64_t at = 0; at < row.count; at += kRowTile) {
            const int n = static_cast<int>(least<std::int64_t>(kRowTile, row.count - at));
            RowTile<T>& t = c_.tile;
            t.n = n;
            for (int j = 0; j < n; ++j) {
                t.y[j] = c_.e.values[first + at + j];
                t.m[j] = row.m[at + j] + length * row.dm[at + j];
                if (c_.weighted()) t.w[j] = c_.e.weights[first + at + j];
            }
            value += loss_at(t, t.m);
        }
        return value;
    }

    RowContext<T>& c_;
    Row<T>* rows_;
    BatchSolver<T>& batch_;
    RowConjugateGradients<T>& cg_;
};

}  // namespace HALFSEEN_SPACE
