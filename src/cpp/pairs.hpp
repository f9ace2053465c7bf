// Pairs of columns seen together in a row: counts, sums and sums of squares of their products, columns i <= j.
//
// Gustavson by columns: the rows that hold column i are visited one after the other and each one's entries from i on are
// added into an accumulator of one cell per column, which stays in cache; the cells that were touched leave it in order.
// Memory: the output, O(n_cols), and eight bytes per entry of the columns asked for. One build for all processors:
// the work is bound by scattered cells, and builds for AVX2 and AVX-512 took the same time (2 to 50 entries a row).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernels.hpp"

namespace halfseen {

// An array that grows to an upper bound: pages that are never written cost nothing, the rest is given back at the end.
// Large pages where the system has them: half of the time went into touching small ones first.
template <class V>
class Piece {
public:
    explicit Piece(std::int64_t bound) {
        const std::size_t bytes = static_cast<std::size_t>(std::max<std::int64_t>(bound, 1)) * sizeof(V);
        data_ = static_cast<V*>(std::malloc(bytes));
        if (!data_) throw std::bad_alloc();
#if defined(__linux__)
        constexpr std::uintptr_t page = 1 << 21;
        const auto begin = (reinterpret_cast<std::uintptr_t>(data_) + page - 1) / page * page;
        const auto end = (reinterpret_cast<std::uintptr_t>(data_) + bytes) / page * page;
        if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
    }
    Piece(const Piece&) = delete;
    Piece& operator=(const Piece&) = delete;
    ~Piece() { std::free(data_); }
    V* data() { return data_; }
    V* release(std::int64_t size) {
        void* kept = std::realloc(data_, std::max<std::int64_t>(size, 1) * sizeof(V));
        V* out = static_cast<V*>(kept ? kept : data_);
        data_ = nullptr;
        return out;
    }

private:
    V* data_;
};

// Upper triangle by rows: where each column's partners begin, their numbers, and what was added up.
struct PairTable {
    explicit PairTable(std::int64_t bound) : indices(bound), counts(bound), sums(bound), squares(bound) {}
    std::vector<std::int64_t> indptr;
    Piece<std::int32_t> indices;
    Piece<std::int32_t> counts;
    Piece<double> sums;
    Piece<double> squares;
    std::int64_t size = 0;
    void put(std::int32_t j, std::int32_t k, double s, double q) {
        indices.data()[size] = j;
        counts.data()[size] = k;
        sums.data()[size] = s;
        squares.data()[size++] = q;
    }
};

// 32 bytes: a cell never lies across two cache lines.
struct alignas(32) PairCell {
    double sum;
    double square;
    std::int64_t count;
};

// Where the entries of columns first .. last lie, and how many entries of their rows follow (themselves included).
struct Tails {
    struct Tail {
        std::uint32_t at;
        std::uint32_t length;
    };
    std::vector<std::int64_t> starts;
    std::vector<Tail> tails;

    template <class T>
    Tails(const Entries<T>& e, std::int64_t first, std::int64_t last) : starts(last - first + 1, 0) {
        const std::int64_t base = e.indptr[0], n = e.n_entries();
        for (std::int64_t f = 0; f < n; ++f) {
            const std::int32_t j = e.indices[f];
            if (j >= first && j < last) ++starts[j - first + 1];
        }
        for (std::size_t c = 1; c < starts.size(); ++c) starts[c] += starts[c - 1];
        tails.resize(starts.back());
        std::vector<std::int64_t> next(starts.begin(), starts.end() - 1);
        for (std::int64_t i = 0; i < e.n_rows; ++i) {
            const std::int64_t end = e.indptr[i + 1] - base;
            for (std::int64_t f = e.indptr[i] - base; f < end; ++f) {
                const std::int32_t j = e.indices[f];
                if (j < first) continue;
                if (j >= last) break;
                tails[next[j - first]++] = {static_cast<std::uint32_t>(f), static_cast<std::uint32_t>(end - f)};
            }
        }
    }

    // No column has more partners than there are columns, nor more than pairs were seen.
    std::int64_t pairs(std::int64_t c) const {
        std::int64_t total = 0;
        for (std::int64_t f = starts[c]; f < starts[c + 1]; ++f) total += tails[f].length;
        return total;
    }
    std::int64_t bound(std::int64_t first, std::int64_t n_cols) const {
        std::int64_t total = 0;
        const auto n = static_cast<std::int64_t>(starts.size()) - 1;
        for (std::int64_t c = 0; c < n; ++c) total += std::min(pairs(c), n_cols - first - c);
        return total;
    }
};

inline void fetch(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

// The columns that a pass over one column's rows touched: as a list, or as bits that give them in order. A list is
// cheaper where the bits of all columns outnumber what was touched.
struct Touched {
    explicit Touched(std::int64_t n_cols) : bits((n_cols + 63) / 64, 0) { list.reserve(n_cols); }
    std::vector<std::int32_t> list;
    std::vector<std::uint64_t> bits;
    bool as_list(std::int64_t pairs) const { return pairs * 8 < static_cast<std::int64_t>(bits.size()); }
};

inline std::int32_t lowest_bit(std::uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctzll(word);
#else
    std::int32_t place = 0;
    while (!((word >> place) & 1)) ++place;
    return place;
#endif
}

// Add all pairs (i, j >= i) of one column into the cells.
template <bool is_list, class T>
void add_column(const Entries<T>& e, const Tails& tails, std::int64_t c, PairCell* cells, Touched& touched) {
    constexpr std::int64_t ahead = 8;
    const std::int64_t stop = tails.starts[c + 1];
    std::uint64_t* bits = touched.bits.data();
    for (std::int64_t f = tails.starts[c]; f < stop; ++f) {
        if (f + ahead < stop) {
            fetch(e.indices + tails.tails[f + ahead].at);
            fetch(e.values + tails.tails[f + ahead].at);
        }
        const auto tail = tails.tails[f];
        const std::int32_t* j = e.indices + tail.at;
        const T* v = e.values + tail.at;
        const double own = v[0];
        for (std::uint32_t g = 0; g < tail.length; ++g) {
            PairCell& cell = cells[j[g]];
            const double product = own * static_cast<double>(v[g]);
            if constexpr (is_list) {
                if (cell.count == 0) touched.list.push_back(j[g]);
            } else {
                bits[j[g] >> 6] |= std::uint64_t{1} << (j[g] & 63);
            }
            ++cell.count;
            cell.sum += product;
            cell.square += product * product;
        }
    }
}

// Add up one column and hand each touched partner, in increasing order, with its cell to `take`.
template <class T, class Take>
void each_pair(const Entries<T>& e, const Tails& tails, std::int64_t c, std::int64_t from, PairCell* cells,
               Touched& touched, Take take) {
    const auto hand_over = [&](std::int32_t j) {
        take(j, cells[j]);
        cells[j] = PairCell{};
    };
    if (touched.as_list(tails.pairs(c))) {
        touched.list.clear();
        add_column<true>(e, tails, c, cells, touched);
        std::sort(touched.list.begin(), touched.list.end());
        for (const std::int32_t j : touched.list) hand_over(j);
        return;
    }
    add_column<false>(e, tails, c, cells, touched);
    for (std::size_t w = from >> 6; w < touched.bits.size(); ++w) {
        const auto first = static_cast<std::int32_t>(64 * w);
        for (std::uint64_t word = touched.bits[w]; word; word &= word - 1) hand_over(first + lowest_bit(word));
        touched.bits[w] = 0;
    }
}

template <class T>
std::unique_ptr<PairTable> pair_moments(const Entries<T>& e, std::int64_t first, std::int64_t last) {
    const Tails tails(e, first, last);
    auto out = std::make_unique<PairTable>(tails.bound(first, e.n_cols));
    std::vector<PairCell> cells(e.n_cols);
    Touched touched(e.n_cols);
    out->indptr.assign(1, 0);
    for (std::int64_t c = 0; c < last - first; ++c) {
        each_pair(e, tails, c, first + c, cells.data(), touched, [&](std::int32_t j, const PairCell& cell) {
            out->put(j, static_cast<std::int32_t>(cell.count), cell.sum, cell.square);
        });
        out->indptr.push_back(out->size);
    }
    return out;
}

// Where column i's pairs begin in a packed upper triangle of n columns.
inline std::int64_t packed_start(std::int64_t i, std::int64_t n) { return i * n - i * (i - 1) / 2; }

// The same, added to packed upper triangles.
template <class T>
void add_pair_moments(const Entries<T>& e, std::int64_t first, std::int64_t last, std::int32_t* counts, double* sums,
                      double* squares) {
    const Tails tails(e, first, last);
    std::vector<PairCell> cells(e.n_cols);
    Touched touched(e.n_cols);
    for (std::int64_t c = 0; c < last - first; ++c) {
        const std::int64_t shift = packed_start(first + c, e.n_cols) - (first + c);
        each_pair(e, tails, c, first + c, cells.data(), touched, [&](std::int32_t j, const PairCell& cell) {
            counts[shift + j] += static_cast<std::int32_t>(cell.count);
            sums[shift + j] += cell.sum;
            squares[shift + j] += cell.square;
        });
    }
}

// One table as it lies in memory, for merging.
struct PairView {
    const std::int64_t* indptr;
    const std::int32_t* indices;
    const std::int32_t* counts;
    const double* sums;
    const double* squares;
};

// a + sign * b; pairs whose count becomes zero leave the table.
inline std::unique_ptr<PairTable> merge_pairs(const PairView& a, const PairView& b, std::int64_t n, int sign) {
    auto out = std::make_unique<PairTable>(a.indptr[n] + b.indptr[n]);
    out->indptr.assign(1, 0);
    for (std::int64_t i = 0; i < n; ++i) {
        std::int64_t f = a.indptr[i], g = b.indptr[i];
        while (f < a.indptr[i + 1] || g < b.indptr[i + 1]) {
            const bool has_a = f < a.indptr[i + 1], has_b = g < b.indptr[i + 1];
            const bool use_a = has_a && (!has_b || a.indices[f] <= b.indices[g]);
            const bool use_b = has_b && (!has_a || b.indices[g] <= a.indices[f]);
            const std::int32_t j = use_a ? a.indices[f] : b.indices[g];
            std::int32_t count = use_a ? a.counts[f] : 0;
            double sum = use_a ? a.sums[f] : 0.0, square = use_a ? a.squares[f] : 0.0;
            if (use_b) {
                count += sign * b.counts[g];
                sum += sign * b.sums[g];
                square += sign * b.squares[g++];
            }
            f += use_a;
            if (count != 0) out->put(j, count, sum, square);
        }
        out->indptr.push_back(out->size);
    }
    return out;
}

}  // namespace halfseen
