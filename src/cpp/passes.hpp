// The passes over the entries: loss and gradients, Hessian products, at, to_rows, to_cols.
#pragma once
#include "evaluate.hpp"
#include "traverse.hpp"

namespace HALFSEEN_SPACE {

using halfseen::Direction;
using halfseen::Outputs;

// Sum of numbers of one segment; the buffer has room for whole vectors.
template <class T>
T sum_segment(const T* x, const Segment& s) {
    constexpr int W = kLanes<T>;
    Vec<T, W> sum = splat<T, W>(T(0));
    int e = s.begin;
    for (; e + W <= s.end; e += W) sum = sum + load<W>(x + e);
    if (e < s.end) sum = sum + first_lanes(load<W>(x + e), s.end - e);
    return sum_lanes(sum);
}

template <class T>
void add_offsets(const Tile<T>& tile, const T* g, T* row, T* col) {
    if (row) {
        for (int s = 0; s < tile.n_segments; ++s) row[tile.segments[s].row] += sum_segment(g, tile.segments[s]);
    }
    if (col) {
        for (int e = 0; e < tile.n; ++e) col[tile.cols[e]] += g[e];
    }
}

// An optional array over the columns, from the block's first on.
template <class T>
T* from(T* columns, std::int64_t first_col) {
    return columns ? columns + first_col : nullptr;
}

template <class T>
Buffer<T> buffer_of(Tile<T>& tile, Wants wants, bool gradient, bool curvature) {
    return {tile.n, tile.y, wants.weights ? tile.w : nullptr, wants.base ? tile.base : nullptr, tile.m,
            gradient ? tile.g : nullptr, curvature ? tile.t : nullptr};
}

template <class T>
struct GradientPass {
    const Model<T>& model;
    const Outputs<T>& out;
    Wants wants;
    RankOps<T> ops;
    Slots<T> slots;
    Staged<T> rows;
    std::int64_t first_col = 0;
    double total = 0;

    void open(std::int64_t first, std::int64_t last) {
        first_col = first;
        pack(slots, 0, model.B, model.k, first, last);
        if (out.B) clear(slots, 1, last - first);
    }

    void ahead(std::int64_t row) {
        prefetch_row(model.A + row * model.k, model.k);
        if (out.A) prefetch_row(out.A + row * model.k, model.k);
    }

    void process(Tile<T>& tile) {
        ops.stage(tile, model.A, model.k, rows);
        ops.dots(tile, slots, 0, rows, from(model.col_offset, first_col), tile.m);
        const bool gradient = out.A || out.B || out.row || out.col;
        total += evaluate(buffer_of(tile, wants, gradient, false), model.family, model.trials);
        const RowSums<T> sums{out.A, model.k};
        T* col = from(out.col, first_col);
        if (out.A && out.B) {
            ops.to_both(tile, slots, 0, tile.g, rows, sums, col);
            col = nullptr;
        } else if (out.A) {
            ops.to_rows(tile, slots, 0, tile.g, sums);
        } else if (out.B) {
            ops.to_cols(tile, slots, 1, tile.g, rows);
        }
        add_offsets(tile, tile.g, out.row, col);
    }

    void close(std::int64_t first, std::int64_t last) {
        if (out.B) add_back(slots, 1, out.B, model.k, first, last);
    }
};

template <class T>
double loss_and_gradient(const Entries<T>& e, const Model<T>& model, const Outputs<T>& out) {
    const auto ops = rank_ops<T>(model.k);
    const auto plan = plan_columns(e, ops.padded, out.B ? 2 : 1);
    Scratch<T> slots(plan.width * plan.stride), rows(kTile * ops.padded);
    fill_zero(rows.get(), kTile * ops.padded);  // the padding stays zero
    fill_zero(out.A, e.n_rows * model.k);
    fill_zero(out.row, e.n_rows);
    const Wants wants = wants_all(e, model);
    GradientPass<T> pass{model, out, wants, ops, {slots.get(), plan.stride, ops.padded}, {rows.get(), ops.padded}};
    traverse(e, model, wants, plan, pass);
    return pass.total;
}

// Slots: B, dB and the result for B side by side.
template <class T>
struct HessianPass {
    const Model<T>& model;
    const Direction<T>& d;
    const Outputs<T>& out;
    Wants wants;
    RankOps<T> ops;
    Slots<T> slots;
    Staged<T> rows, moves;
    std::int64_t first_col = 0;

    void open(std::int64_t first, std::int64_t last) {
        first_col = first;
        pack(slots, 0, model.B, model.k, first, last);
        pack(slots, 1, d.B, model.k, first, last);
        clear(slots, 2, last - first);
    }

    void ahead(std::int64_t row) {
        for (const T* rows_of : {model.A, d.A, static_cast<const T*>(out.A)}) {
            prefetch_row(rows_of + row * model.k, model.k);
        }
    }

    void process(Tile<T>& tile) {
        alignas(64) T dm[kTile + kSlack], more[kTile + kSlack];
        ops.stage(tile, model.A, model.k, rows);
        ops.stage(tile, d.A, model.k, moves);
        ops.dots(tile, slots, 0, rows, from(model.col_offset, first_col), tile.m);
        ops.dots(tile, slots, 0, moves, from(d.col, first_col), dm);
        ops.dots(tile, slots, 1, rows, nullptr, more);
        evaluate(buffer_of(tile, wants, true, true), model.family, model.trials);
        for (int s = 0; s < tile.n_segments; ++s) {
            const Segment& segment = tile.segments[s];
            const T fixed = d.row ? d.row[segment.row] : T(0);
            for (int e = segment.begin; e < segment.end; ++e) dm[e] += more[e] + fixed;
        }
        for (int e = 0; e < tile.n; ++e) tile.t[e] *= dm[e];
        const RowSums<T> sums{out.A, model.k};
        ops.to_rows(tile, slots, 0, tile.t, sums);
        ops.to_rows(tile, slots, 1, tile.g, sums);
        ops.to_cols(tile, slots, 2, tile.t, rows);
        ops.to_cols(tile, slots, 2, tile.g, moves);
        add_offsets(tile, tile.t, out.row, from(out.col, first_col));
    }

    void close(std::int64_t first, std::int64_t last) { add_back(slots, 2, out.B, model.k, first, last); }
};

template <class T>
void hessian_vector(const Entries<T>& e, const Model<T>& model, const Direction<T>& d, const Outputs<T>& out) {
    const auto ops = rank_ops<T>(model.k);
    const std::int64_t staged = kTile * ops.padded;
    const auto plan = plan_columns(e, ops.padded, 3);
    Scratch<T> slots(plan.width * plan.stride), rows(staged), moves(staged);
    fill_zero(rows.get(), staged);
    fill_zero(moves.get(), staged);
    fill_zero(out.A, e.n_rows * model.k);
    fill_zero(out.row, e.n_rows);
    const Wants wants = wants_all(e, model);
    HessianPass<T> pass{model, d, out, wants, ops, {slots.get(), plan.stride, ops.padded}, {rows.get(), ops.padded},
                        {moves.get(), ops.padded}};
    traverse(e, model, wants, plan, pass);
}

enum class Operator { at, to_rows, to_cols };

// The three operators of the data; the numbers g arrive as the table's values.
template <Operator Kind, class T>
struct OperatorPass {
    const Model<T>& model;
    T* out;
    RankOps<T> ops;
    Slots<T> slots;
    Staged<T> rows;
    bool has_base = false;
    std::int64_t first_col = 0;

    void open(std::int64_t first, std::int64_t last) {
        first_col = first;
        if (Kind == Operator::to_cols) {
            clear(slots, 0, last - first);
        } else {
            pack(slots, 0, model.B, model.k, first, last);
        }
    }

    void ahead(std::int64_t row) {
        if (Kind != Operator::to_rows) prefetch_row(model.A + row * model.k, model.k);
        if (Kind == Operator::to_rows) prefetch_row(out + row * model.k, model.k);
    }

    void process(Tile<T>& tile) {
        if (Kind == Operator::at) {
            ops.stage(tile, model.A, model.k, rows);
            ops.dots(tile, slots, 0, rows, from(model.col_offset, first_col), tile.m);
            for (int s = 0; s < tile.n_segments; ++s) {
                const Segment& segment = tile.segments[s];
                T* to = out + segment.entry - segment.begin;
                for (int e = segment.begin; e < segment.end; ++e) to[e] = tile.m[e] + (has_base ? tile.base[e] : T(0));
            }
        } else if (Kind == Operator::to_rows) {
            ops.to_rows(tile, slots, 0, tile.y, RowSums<T>{out, model.k});
        } else {
            ops.stage(tile, model.A, model.k, rows);
            ops.to_cols(tile, slots, 0, tile.y, rows);
        }
    }

    void close(std::int64_t first, std::int64_t last) {
        if (Kind == Operator::to_cols) add_back(slots, 0, out, model.k, first, last);
    }
};

template <Operator Kind, class T>
void run_operator(const Entries<T>& e, const Model<T>& model, Wants wants, T* out) {
    const auto ops = rank_ops<T>(model.k);
    const auto plan = plan_columns(e, ops.padded, 1);
    Scratch<T> slots(plan.width * ops.padded), rows(kTile * ops.padded);
    fill_zero(rows.get(), kTile * ops.padded);
    OperatorPass<Kind, T> pass{model, out, ops, {slots.get(), ops.padded, ops.padded}, {rows.get(), ops.padded}};
    pass.has_base = wants.base;
    traverse(e, model, wants, plan, pass);
}

template <class T>
void at(const Entries<T>& e, const Model<T>& model, T* out) {
    Wants wants = wants_all(e, model);
    wants.values = wants.weights = false;
    run_operator<Operator::at>(e, model, wants, out);
}

template <class T>
void to_rows(const Entries<T>& e, const T* g, const T* B, std::int64_t k, T* out) {
    const Model<T> model{nullptr, B, k, nullptr, nullptr, Family::gaussian, T(1)};
    Entries<T> with_g = e;
    with_g.values = g;
    fill_zero(out, e.n_rows * k);
    run_operator<Operator::to_rows>(with_g, model, {true, false, false}, out);
}

template <class T>
void to_cols(const Entries<T>& e, const T* g, const T* A, std::int64_t k, T* out) {
    const Model<T> model{A, nullptr, k, nullptr, nullptr, Family::gaussian, T(1)};
    Entries<T> with_g = e;
    with_g.values = g;
    run_operator<Operator::to_cols>(with_g, model, {true, false, false}, out);
}

}  // namespace HALFSEEN_SPACE
