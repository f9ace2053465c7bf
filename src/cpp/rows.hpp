// One major row's entries, gathered a tile at a time: pointers to the features, values, weights, offsets.
#pragma once
#include "evaluate.hpp"
#include "features.hpp"
#include "traverse.hpp"

namespace HALFSEEN_SPACE {

// 64 entries of a row, and room for whole vectors.
constexpr int kRowTile = 64;

template <class T>
struct RowTile {
    int n = 0;
    const T* rows[kRowTile];
    alignas(64) T y[kRowTile + kSlack];
    alignas(64) T w[kRowTile + kSlack];
    alignas(64) T base[kRowTile + kSlack];
    alignas(64) T m[kRowTile + kSlack];
    alignas(64) T g[kRowTile + kSlack];
    alignas(64) T t[kRowTile + kSlack];
};

template <class T>
struct RowGatherer {
    const Entries<T>& e;
    const Model<T>& model;
    const FeatureRows<T>& features;

    bool has_base() const { return model.col_offset || e.offset; }

    // Entries entry .. entry + n of the table; their features are asked for one tile ahead.
    void gather(std::int64_t entry, int n, RowTile<T>& tile) const {
        const std::int32_t* cols = e.indices + entry;
        tile.n = n;
        for (int i = 0; i < n; ++i) {
            tile.rows[i] = features.row(cols[i]);
            tile.y[i] = e.values[entry + i];
        }
        if (e.weights) {
            for (int i = 0; i < n; ++i) tile.w[i] = e.weights[entry + i];
        }
        if (!has_base()) return;
        for (int i = 0; i < n; ++i) tile.base[i] = e.offset ? e.offset[entry + i] : T(0);
        if (model.col_offset) {
            for (int i = 0; i < n; ++i) tile.base[i] += model.col_offset[cols[i]];
        }
    }

    // Call body(tile, position of its first entry inside the row) for all tiles of a row.
    template <class Body>
    void for_tiles(std::int64_t row, RowTile<T>& tile, Body body) const {
        const std::int64_t first = e.first(row), count = e.first(row + 1) - first;
        for (std::int64_t at = 0; at < count; at += kRowTile) {
            gather(first + at, static_cast<int>(least<std::int64_t>(kRowTile, count - at)), tile);
            body(tile, at);
        }
    }
};

// Buffer over a row tile for evaluate(); m already holds the offsets.
template <class T>
Buffer<T> buffer_of(RowTile<T>& tile, bool weighted, const T* m, bool derivatives) {
    return {tile.n, tile.y, weighted ? tile.w : nullptr, nullptr, m, derivatives ? tile.g : nullptr,
            derivatives ? tile.t : nullptr};
}

// The rows' gradients too, unless gradient is null.
template <class T>
void information(const Entries<T>& e, const Model<T>& model, T* out, T* gradient) {
    const auto ops = feature_ops<T>(model.k);
    const std::int64_t k = model.k, ld = ops.padded;
    const FeatureRows<T> features(model.B, e.n_cols, k, ld);
    const RowGatherer<T> gatherer{e, model, features};
    Scratch<T> H(k * ld), a(ld), slope(ld);
    RowTile<T> tile{};
    for (std::int64_t i = 0; i < e.n_rows; ++i) {
        std::memset(H.get(), 0, static_cast<std::size_t>(k * ld) * sizeof(T));
        fill_zero(slope.get(), ld);
        for (std::int64_t c = 0; c < ld; ++c) a[c] = c < k ? model.A[i * k + c] : T(0);
        const T fixed = model.row_offset ? model.row_offset[i] : T(0);
        gatherer.for_tiles(i, tile, [&](RowTile<T>& t, std::int64_t) {
            ops.dots(t.rows, t.n, a.get(), k, t.m);
            for (int j = 0; j < t.n; ++j) t.m[j] += fixed + (gatherer.has_base() ? t.base[j] : T(0));
            evaluate(buffer_of(t, e.weights != nullptr, t.m, true), model.family, model.trials);
            ops.normal(t.rows, t.n, t.t, k, H.get());
            if (gradient) ops.combine(t.rows, t.n, t.g, k, slope.get());
        });
        for (std::int64_t c = 0; gradient && c < k; ++c) gradient[i * k + c] = slope[c];
        T* full = out + i * k * k;
        for (std::int64_t r = 0; r < k; ++r) {
            for (std::int64_t c = 0; c <= r; ++c) full[r * k + c] = full[c * k + r] = H[r * ld + c];
        }
    }
}

template <class T>
void quadratic(const Entries<T>& e, const T* V, const T* B, std::int64_t k, T* out) {
    const auto ops = feature_ops<T>(k);
    const FeatureRows<T> features(B, e.n_cols, k, ops.padded);
    const Model<T> model{nullptr, B, k, nullptr, nullptr, Family::gaussian, T(1)};
    Entries<T> bare = e;
    bare.weights = bare.offset = nullptr;
    const RowGatherer<T> gatherer{bare, model, features};
    Scratch<T> row(ops.padded);
    fill_zero(row.get(), ops.padded);
    RowTile<T> tile{};
    for (std::int64_t i = 0; i < e.n_rows; ++i) {
        gatherer.for_tiles(i, tile, [&](RowTile<T>& t, std::int64_t at) {
            T* to = out + e.first(i) + at;
            for (int j = 0; j < t.n; ++j) to[j] = T(0);
            for (std::int64_t r = 0; r < k; ++r) {
                // V's row r with every entry's features, times the entry's feature r
                std::memcpy(row.get(), V + (i * k + r) * k, static_cast<std::size_t>(k) * sizeof(T));
                ops.dots(t.rows, t.n, row.get(), k, t.m);
                for (int j = 0; j < t.n; ++j) to[j] += t.m[j] * t.rows[j][r];
            }
        });
    }
}

}  // namespace HALFSEEN_SPACE
