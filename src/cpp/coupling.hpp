// Products with the two off-diagonal halves of a Hessian, from curvatures and residuals that are kept per entry: a
// solver that multiplies many times at one point evaluates the loss once.
#pragma once
#include "passes.hpp"

namespace HALFSEEN_SPACE {

// Curvature and residual of every entry.
template <class T>
struct CurvaturePass {
    const Model<T>& model;
    T* curvature;
    T* residual;
    Wants wants;
    RankOps<T> ops;
    Slots<T> slots;
    Staged<T> rows;
    std::int64_t first_col = 0;

    void open(std::int64_t first, std::int64_t last) {
        first_col = first;
        pack(slots, 0, model.B, model.k, first, last);
    }

    void ahead(std::int64_t row) { prefetch_row(model.A + row * model.k, model.k); }

    void process(Tile<T>& tile) {
        ops.stage(tile, model.A, model.k, rows);
        ops.dots(tile, slots, 0, rows, from(model.col_offset, first_col), tile.m);
        evaluate(buffer_of(tile, wants, true, true), model.family, model.trials);
        for (int s = 0; s < tile.n_segments; ++s) {
            const Segment& segment = tile.segments[s];
            const std::int64_t shift = segment.entry - segment.begin;
            for (int e = segment.begin; e < segment.end; ++e) {
                curvature[shift + e] = tile.t[e];
                residual[shift + e] = tile.g[e];
            }
        }
    }

    void close(std::int64_t, std::int64_t) {}
};

template <class T>
void curvatures(const Entries<T>& e, const Model<T>& model, T* curvature, T* residual) {
    const auto ops = rank_ops<T>(model.k);
    const auto plan = plan_columns(e, ops.padded, 1);
    Scratch<T> slots(plan.width * plan.stride), rows(kTile * ops.padded);
    fill_zero(rows.get(), kTile * ops.padded);
    const Wants wants = wants_all(e, model);
    CurvaturePass<T> pass{model, curvature, residual, wants, ops, {slots.get(), plan.stride, ops.padded},
                          {rows.get(), ops.padded}};
    traverse(e, model, wants, plan, pass);
}

// Entries carry curvatures as values and residuals as weights in both passes below.
constexpr Wants kCoupled{true, true, false};

// A move of the rows, seen by the columns. Slots: B and the result side by side.
template <class T>
struct ToColumnsPass {
    const Model<T>& model;
    const T* dA;
    T* out;
    T* out_col;
    RankOps<T> ops;
    Slots<T> slots;
    Staged<T> rows, moves;
    std::int64_t first_col = 0;

    void open(std::int64_t first, std::int64_t last) {
        first_col = first;
        pack(slots, 0, model.B, model.k, first, last);
        clear(slots, 1, last - first);
    }

    void ahead(std::int64_t row) {
        prefetch_row(model.A + row * model.k, model.k);
        prefetch_row(dA + row * model.k, model.k);
    }

    void process(Tile<T>& tile) {
        ops.stage(tile, model.A, model.k, rows);
        ops.stage(tile, dA, model.k, moves);
        ops.dots(tile, slots, 0, moves, nullptr, tile.m);
        for (int e = 0; e < tile.n; ++e) tile.t[e] = tile.y[e] * tile.m[e];
        ops.to_cols(tile, slots, 1, tile.t, rows);
        ops.to_cols(tile, slots, 1, tile.w, moves);
        add_offsets(tile, tile.t, static_cast<T*>(nullptr), from(out_col, first_col));
    }

    void close(std::int64_t first, std::int64_t last) { add_back(slots, 1, out, model.k, first, last); }
};

template <class T>
void coupled_columns(const Entries<T>& e, const Model<T>& model, const T* dA, T* out, T* out_col) {
    const auto ops = rank_ops<T>(model.k);
    const std::int64_t staged = kTile * ops.padded;
    const auto plan = plan_columns(e, ops.padded, 2);
    Scratch<T> slots(plan.width * plan.stride), rows(staged), moves(staged);
    fill_zero(rows.get(), staged);
    fill_zero(moves.get(), staged);
    ToColumnsPass<T> pass{model, dA, out, out_col, ops, {slots.get(), plan.stride, ops.padded},
                          {rows.get(), ops.padded}, {moves.get(), ops.padded}};
    traverse(e, model, kCoupled, plan, pass);
}

// A move of the columns, seen by the rows. Slots: B and dB side by side.
template <class T>
struct ToRowsPass {
    const Model<T>& model;
    const T* dB;
    const T* d_col;
    T* out;
    RankOps<T> ops;
    Slots<T> slots;
    Staged<T> rows;
    std::int64_t first_col = 0;

    void open(std::int64_t first, std::int64_t last) {
        first_col = first;
        pack(slots, 0, model.B, model.k, first, last);
        pack(slots, 1, dB, model.k, first, last);
    }

    void ahead(std::int64_t row) {
        prefetch_row(model.A + row * model.k, model.k);
        prefetch_row(static_cast<const T*>(out) + row * model.k, model.k);
    }

    void process(Tile<T>& tile) {
        ops.stage(tile, model.A, model.k, rows);
        ops.dots(tile, slots, 1, rows, from(d_col, first_col), tile.m);
        for (int e = 0; e < tile.n; ++e) tile.t[e] = tile.y[e] * tile.m[e];
        const RowSums<T> sums{out, model.k};
        ops.to_rows(tile, slots, 0, tile.t, sums);
        ops.to_rows(tile, slots, 1, tile.w, sums);
    }

    void close(std::int64_t, std::int64_t) {}
};

template <class T>
void coupled_rows(const Entries<T>& e, const Model<T>& model, const T* dB, const T* d_col, T* out) {
    const auto ops = rank_ops<T>(model.k);
    const auto plan = plan_columns(e, ops.padded, 2);
    Scratch<T> slots(plan.width * plan.stride), rows(kTile * ops.padded);
    fill_zero(rows.get(), kTile * ops.padded);
    fill_zero(out, e.n_rows * model.k);
    ToRowsPass<T> pass{model, dB, d_col, out, ops, {slots.get(), plan.stride, ops.padded}, {rows.get(), ops.padded}};
    traverse(e, model, kCoupled, plan, pass);
}

}  // namespace HALFSEEN_SPACE
