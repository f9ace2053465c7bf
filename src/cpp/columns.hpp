// Some columns of a table stored by rows, regrouped by columns: a counting sort that reads every row's part once.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace halfseen {

// starts[c] .. starts[c + 1]: where the entries of column first + c go. Rows come in order inside each column. Entries
// of one row are sorted by column, so its part is found by bisection and read in one piece. Scalar: bound by memory.
template <class T>
void gather_columns(const Entries<T>& e, std::int64_t first, std::int64_t last, const std::int64_t* starts,
                    std::int32_t* rows, T* values, T* weights) {
    std::vector<std::int64_t> next(starts, starts + (last - first));
    const std::int64_t base = e.indptr[0];
    for (std::int64_t i = 0; i < e.n_rows; ++i) {
        const std::int32_t* begin = e.indices + (e.indptr[i] - base);
        const std::int32_t* end = e.indices + (e.indptr[i + 1] - base);
        const std::int32_t* at = std::lower_bound(begin, end, static_cast<std::int32_t>(first));
        for (; at != end && *at < last; ++at) {
            const std::int64_t to = next[*at - first]++, from = at - e.indices;
            rows[to] = static_cast<std::int32_t>(i);
            values[to] = e.values[from];
            if (weights) weights[to] = e.weights[from];
        }
    }
}

}  // namespace halfseen
