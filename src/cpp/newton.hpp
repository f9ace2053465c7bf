// Row-wise Newton: for every major row a small penalised problem against fixed features.
//
// Rows go in batches of one per vector lane: normal matrices are assembled row by row, then factored together. The
// linear predictors of a row are kept, so that a line search costs no second look at the features.
#pragma once
#include "damped.hpp"

namespace HALFSEEN_SPACE {

// A batch never holds more entries than this beside its last row: it bounds the kept linear predictors.
constexpr std::int64_t kBatchEntries = 1 << 15;

template <class T>
class NewtonRows {
public:
    NewtonRows(const Entries<T>& e, const Model<T>& model, const NewtonOptions<T>& options)
        : c_(e, model, options), batch_(c_, rows_), cg_(c_), damped_(c_, rows_, batch_, cg_), capacity_(capacity()),
          vectors_(kRows * 3 * c_.ld), matrices_(by_cg() ? 0 : kRows * c_.k * c_.ld), predictors_(2 * capacity_) {
        fill_zero(vectors_.get(), kRows * 3 * c_.ld);
        fill_zero(predictors_.get(), 2 * capacity_);
    }

    NewtonResult run(T* out) {
        NewtonResult result{0.0, 0};
        int n = 0;
        std::int64_t held = 0;
        for (std::int64_t i = 0; i < c_.e.n_rows; ++i) {
            if (count(i) == 0) {
                result.value += empty_row(i, out);
                continue;
            }
            if (n == kRows || held > kBatchEntries) {
                finish(n, out, result);
                n = 0;
                held = 0;
            }
            begin(n++, i, held);
            held += room(count(i));
        }
        if (n) finish(n, out, result);
        return result;
    }

private:
    static constexpr int kRows = BatchSolver<T>::kRows;

    bool by_cg() const { return c_.options.cg_steps > 0; }
    bool is_gaussian() const { return c_.model.family == Family::gaussian; }
    std::int64_t count(std::int64_t i) const { return c_.e.first(i + 1) - c_.e.first(i); }

    // Whole vectors may be read past a row's last entry.
    static std::int64_t room(std::int64_t n) { return (n + 2 * kSlack - 1) / kSlack * kSlack; }

    std::int64_t capacity() const {
        if (is_gaussian()) return 0;
        std::int64_t longest = 0;
        for (std::int64_t i = 0; i < c_.e.n_rows; ++i) longest = longest < count(i) ? count(i) : longest;
        const std::int64_t all = c_.e.n_entries() + kRows * 2 * kSlack;
        return least(all, kBatchEntries) + room(longest) + kSlack;
    }

    // No entries: the minimiser of the ridge alone, component by component; where it is flat, x stays.
    double empty_row(std::int64_t i, T* out) const {
        const Penalty<T> penalty = c_.penalty_of(i);
        for (std::int64_t c = 0; c < c_.k; ++c) {
            const T ridge = penalty.ridge_at(c);
            out[i * c_.k + c] = ridge > T(0) ? penalty.pull_at(c) / ridge : c_.model.A[i * c_.k + c];
        }
        return penalty.value(out + i * c_.k);
    }

    void begin(int slot, std::int64_t i, std::int64_t held) {
        T* v = vectors_.get() + 3 * slot * c_.ld;
        T* H = matrices_.get() + (by_cg() ? 0 : slot * c_.k * c_.ld);
        T* m = predictors_.get() + (is_gaussian() ? 0 : held);
        Row<T>& row = rows_[slot];
        row = {i, count(i), c_.penalty_of(i), v, H, v + c_.ld, v + 2 * c_.ld, m, m + capacity_, 0.0, true, false};
        for (std::int64_t c = 0; c < c_.ld; ++c) row.x[c] = c < c_.k ? c_.model.A[i * c_.k + c] : T(0);
    }

    void finish(int n, T* out, NewtonResult& result) {
        if (!is_gaussian()) {
            damped_.run(n);
        } else if (by_cg()) {
            for (int s = 0; s < n; ++s) least_squares_cg(c_, cg_, rows_[s]);
        } else {
            batch_.least_squares(n);
        }
        for (int s = 0; s < n; ++s) {
            for (std::int64_t c = 0; c < c_.k; ++c) out[rows_[s].index * c_.k + c] = rows_[s].x[c];
            result.value += rows_[s].value;
            result.n_failed += rows_[s].failed;
        }
    }

    RowContext<T> c_;
    Row<T> rows_[kRows];
    BatchSolver<T> batch_;
    RowConjugateGradients<T> cg_;
    DampedNewton<T> damped_;
    std::int64_t capacity_;
    Scratch<T> vectors_, matrices_, predictors_;
};

template <class T>
NewtonResult row_newton(const Entries<T>& e, const Model<T>& model, const NewtonOptions<T>& options, T* out) {
    return NewtonRows<T>(e, model, options).run(out);
}

}  // namespace HALFSEEN_SPACE
