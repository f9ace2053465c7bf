// A few conjugate-gradient steps on one row's normal equations, without forming the matrix: for large ranks.
#pragma once
#include "row_problem.hpp"

namespace HALFSEEN_SPACE {

template <class T>
class RowConjugateGradients {
public:
    explicit RowConjugateGradients(RowContext<T>& context) : c_(context), work_(5 * context.ld) {
        fill_zero(work_.get(), 5 * c_.ld);
    }

    // Improve x for H x = rhs, H = sum_e w_e b_e b_e' + ridge, preconditioned by H's diagonal. w: one number per entry
    // of the row, or null. Returns the residual's product residual'x (for the value of a least-squares problem).
    double solve(const Row<T>& row, const T* w, const T* rhs, T* x, int steps) {
        const std::int64_t k = c_.k;
        T *residual = work_.get(), *p = residual + c_.ld, *product = p + c_.ld, *inverse = product + c_.ld,
          *z = inverse + c_.ld;
        inverse_diagonal(row, w, inverse);
        multiply(row, w, x, product);
        for (std::int64_t c = 0; c < k; ++c) {
            residual[c] = rhs[c] - product[c];
            p[c] = z[c] = inverse[c] * residual[c];
        }
        double rho = c_.dot(residual, z);
        for (int step = 0; step < steps && rho > 0; ++step) {
            multiply(row, w, p, product);
            const T alpha = static_cast<T>(rho / c_.dot(p, product));
            for (std::int64_t c = 0; c < k; ++c) {
                x[c] += alpha * p[c];
                residual[c] -= alpha * product[c];
                z[c] = inverse[c] * residual[c];
            }
            const double next = c_.dot(residual, z);
            const T beta = static_cast<T>(next / rho);
            for (std::int64_t c = 0; c < k; ++c) p[c] = z[c] + beta * p[c];
            rho = next;
        }
        return c_.dot(residual, x);
    }

private:
    // product = H p
    void multiply(const Row<T>& row, const T* w, const T* p, T* product) {
        fill_zero(product, c_.ld);
        c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            c_.ops.dots(t.rows, t.n, p, c_.k, t.m);
            if (w) {
                for (int j = 0; j < t.n; ++j) t.m[j] *= w[at + j];
            }
            c_.ops.combine(t.rows, t.n, t.m, c_.k, product);
        });
        for (std::int64_t c = 0; c < c_.k; ++c) product[c] += row.penalty.ridge_at(c) * p[c];
    }

    void inverse_diagonal(const Row<T>& row, const T* w, T* inverse) {
        for (std::int64_t c = 0; c < c_.k; ++c) inverse[c] = row.penalty.ridge_at(c);
        c_.gatherer.for_tiles(row.index, c_.tile, [&](RowTile<T>& t, std::int64_t at) {
            for (int j = 0; j < t.n; ++j) {
                const T weight = w ? w[at + j] : T(1);
                for (std::int64_t c = 0; c < c_.k; ++c) inverse[c] += weight * t.rows[j][c] * t.rows[j][c];
            }
        });
        for (std::int64_t c = 0; c < c_.k; ++c) inverse[c] = inverse[c] > T(0) ? T(1) / inverse[c] : T(0);
    }

    RowContext<T>& c_;
    Scratch<T> work_;
};

// Least squares by conjugate gradients from x: monotone, and exact after k steps.
template <class T>
void least_squares_cg(RowContext<T>& c, RowConjugateGradients<T>& cg, Row<T>& row) {
    double squares = 0;
    fill_zero(row.rhs, c.ld);
    c.gatherer.for_tiles(row.index, c.tile, [&](RowTile<T>& t, std::int64_t) {
        squares += c.centre(t);
        c.ops.combine(t.rows, t.n, t.g, c.k, row.rhs);
    });
    for (std::int64_t j = 0; j < c.k; ++j) row.rhs[j] += row.penalty.pull_at(j);
    const T* w = c.weighted() ? c.e.weights + c.e.first(row.index) : nullptr;
    const double residual = cg.solve(row, w, row.rhs, row.x, c.options.cg_steps);
    // x'Hx / 2 - rhs'x with Hx = rhs - residual
    row.value = 0.5 * squares - 0.5 * c.dot(row.rhs, row.x) - 0.5 * residual;
}

}  // namespace HALFSEEN_SPACE
