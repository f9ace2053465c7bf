// One major row's small problem, and the shared context in which all rows are solved.
#pragma once
#include <cmath>

#include "cholesky.hpp"
#include "rows.hpp"

namespace HALFSEEN_SPACE {

using halfseen::NewtonOptions;
using halfseen::NewtonResult;

// The ridge of one row: scale * (sum ridge_c x_c^2 / 2 - sum prior_c x_c).
template <class T>
struct Penalty {
    const T* ridge;
    const T* prior;
    std::int64_t k;
    T scale;

    T ridge_at(std::int64_t c) const { return ridge ? scale * ridge[c] : T(0); }
    T pull_at(std::int64_t c) const { return prior ? scale * prior[c] : T(0); }
    double value(const T* x) const {
        double sum = 0;
        for (std::int64_t c = 0; c < k; ++c) {
            const double xc = x[c];
            sum += 0.5 * ridge_at(c) * xc * xc - pull_at(c) * xc;
        }
        return sum;
    }
};

// One row under way. x, rhs, step are padded to whole vectors.
template <class T>
struct Row {
    std::int64_t index;
    std::int64_t count;
    Penalty<T> penalty;
    T *x, *H, *rhs, *step;
    T *m, *dm;  // linear predictor of the row's entries, and its change along the step
    double value;
    bool active;
    bool failed;
};

// What every solver of a row reads.
template <class T>
struct RowContext {
    const Entries<T>& e;
    const Model<T>& model;
    const NewtonOptions<T>& options;
    std::int64_t k;
    FeatureOps<T> ops;
    std::int64_t ld;  // padded rank: distance of H's rows, length of the vectors
    FeatureRows<T> features;
    RowGatherer<T> gatherer;
    RowTile<T> tile{};

    RowContext(const Entries<T>& entries, const Model<T>& m, const NewtonOptions<T>& o)
        : e(entries), model(m), options(o), k(m.k), ops(feature_ops<T>(m.k)), ld(ops.padded),
          features(m.B, entries.n_cols, m.k, ld), gatherer{e, model, features} {}

    bool weighted() const { return e.weights != nullptr; }

    Penalty<T> penalty_of(std::int64_t i) const {
        const T* ridge = options.ridge ? options.ridge + i * options.ridge_stride : nullptr;
        return {ridge, options.prior_rhs, k, options.ridge_scale ? options.ridge_scale[i] : T(1)};
    }

    double dot(const T* a, const T* b) const {
        double sum = 0;
        for (std::int64_t c = 0; c < k; ++c) sum += static_cast<double>(a[c]) * b[c];
        return sum;
    }

    // g = w (y - offset) of a tile; returns sum w (y - offset)^2.
    double centre(RowTile<T>& t) const { return centre(t, weighted()); }

    double centre(RowTile<T>& t, bool has_weights) const {
        constexpr int W = kLanes<T>;
        Vec<T, W> squares = splat<T, W>(T(0));
        for (int j = 0; j < t.n; j += W) {
            Vec<T, W> y = load<W>(t.y + j);
            if (gatherer.has_base()) y = y - load<W>(t.base + j);
            const Vec<T, W> g = has_weights ? y * load<W>(t.w + j) : y;
            store(t.g + j, g);
            const Vec<T, W> product = g * y;
            squares = squares + (j + W > t.n ? first_lanes(product, t.n - j) : product);
        }
        return static_cast<double>(sum_lanes(squares));
    }
};

}  // namespace HALFSEEN_SPACE
