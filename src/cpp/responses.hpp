// Marginal likelihood of answers to items on nodes that all rows share: gather the answers' log-probabilities, one
// exponential per row and node, scatter the posterior into expected counts.
#pragma once
#include <algorithm>
#include <cmath>

#include "kernels.hpp"
#include "simd.hpp"
#include "special.hpp"

namespace HALFSEEN_SPACE {

using halfseen::Derivatives;
using halfseen::Expected;
using halfseen::Nodes;
using halfseen::Responses;

constexpr int kNodeLanes = kLanes<double>;
using NodeVec = Vec<double, kNodeLanes>;
template <int N>
struct Width {
    static constexpr int value = N;
};

// Calls f(width, first node) for panels of nodes that fit into registers: as many of 8 vectors as there are, then less.
template <int Size = 8, class F>
HALFSEEN_INLINE void for_panels(std::int64_t n_nodes, F f, std::int64_t g = 0) {
    for (; g + Size * kNodeLanes <= n_nodes; g += Size * kNodeLanes) f(Width<Size>{}, g);
    if constexpr (Size > 1) for_panels<Size / 2>(n_nodes, f, g);
}

// The lines of one row's answers; without branches, as answers are missing at random.
HALFSEEN_INLINE std::int64_t lines_of(const Responses& r, std::int64_t row, std::int32_t* lines) {
    std::int64_t n = 0;
    if (r.answers) {
        const std::uint8_t* y = r.answers + row * r.n_items;
        for (std::int64_t j = 0; j < r.n_items; ++j) {
            lines[n] = r.starts[j] + y[j];
            n += y[j] != 255;
        }
        return n;
    }
    const std::int64_t first = r.indptr[row] - r.indptr[0];
    n = r.indptr[row + 1] - r.indptr[row];
    for (std::int64_t e = 0; e < n; ++e) lines[e] = r.lines[first + e];
    return n;
}

template <int Size>
HALFSEEN_INLINE void gather_panel(const double* table, std::int64_t n_nodes, const std::int32_t* lines, std::int64_t n,
                                  double* sums) {
    NodeVec s[Size];
    for (int v = 0; v < Size; ++v) s[v] = load<kNodeLanes>(sums + v * kNodeLanes);
    for (std::int64_t e = 0; e < n; ++e) {
        const double* from = table + lines[e] * n_nodes;
        for (int v = 0; v < Size; ++v) s[v] = s[v] + load<kNodeLanes>(from + v * kNodeLanes);
    }
    for (int v = 0; v < Size; ++v) store(sums + v * kNodeLanes, s[v]);
}

// sums_g += sum of the lines' table entries at node g
inline void gather_lines(const double* table, std::int64_t n_nodes, const std::int32_t* lines, std::int64_t n,
                         double* sums) {
    for_panels(n_nodes, [&](auto width, std::int64_t g) {
        gather_panel<decltype(width)::value>(table + g, n_nodes, lines, n, sums + g);
    });
}

// A row's log weights, tilted towards its own mean.
HALFSEEN_INLINE void start_row(const Nodes& nodes, std::int64_t row, double* sums) {
    const std::int64_t G = nodes.n_nodes;
    const double* w = nodes.log_weights + (nodes.groups ? nodes.groups[row] * G : 0);
    if (!nodes.tilt) {
        std::memcpy(sums, w, static_cast<std::size_t>(G) * sizeof(double));
        return;
    }
    const auto t = splat<double, kNodeLanes>(nodes.tilt[row]);
    for (std::int64_t g = 0; g < G; g += kNodeLanes) {
        store(sums + g, load<kNodeLanes>(w + g) + t * load<kNodeLanes>(nodes.positions + g));
    }
}

// sums: log of the joint, turned into the posterior; returns the log of its sum.
HALFSEEN_INLINE double normalise(double* sums, std::int64_t G) {
    auto tops = load<kNodeLanes>(sums);
    for (std::int64_t g = kNodeLanes; g < G; g += kNodeLanes) tops = max(tops, load<kNodeLanes>(sums + g));
    double top = lane(tops, 0);
    for (int v = 1; v < kNodeLanes; ++v) top = most(top, lane(tops, v));
    auto total = splat<double, kNodeLanes>(0.0);
    const auto shift = splat<double, kNodeLanes>(top);
    for (std::int64_t g = 0; g < G; g += kNodeLanes) {
        const auto q = vector_exp<true>(load<kNodeLanes>(sums + g) - shift);
        total = total + q;
        store(sums + g, q);
    }
    const double sum = sum_lanes(total);
    const auto scale = splat<double, kNodeLanes>(1.0 / sum);
    for (std::int64_t g = 0; g < G; g += kNodeLanes) store(sums + g, load<kNodeLanes>(sums + g) * scale);
    return top + std::log(sum);
}

// Rows whose posteriors are kept before they are scattered: panel by panel, so that the counts of all lines at a panel's
// nodes stay in the first cache, where those at all nodes would not.
constexpr std::int64_t kRowsAtOnce = 64;

// A panel's counts lie together, line after line
template <int Size>
HALFSEEN_INLINE void scatter_panel(const double* q, const std::int32_t* lines, std::int64_t n, double* counts) {
    NodeVec s[Size];
    for (int v = 0; v < Size; ++v) s[v] = load<kNodeLanes>(q + v * kNodeLanes);
    for (std::int64_t e = 0; e < n; ++e) {
        double* to = counts + lines[e] * (Size * kNodeLanes);
        for (int v = 0; v < Size; ++v) store(to + v * kNodeLanes, load<kNodeLanes>(to + v * kNodeLanes) + s[v]);
    }
}

HALFSEEN_INLINE void add_scaled(const double* from, double factor, std::int64_t G, double* to) {
    const auto f = splat<double, kNodeLanes>(factor);
    for (std::int64_t g = 0; g < G; g += kNodeLanes) {
        store(to + g, load<kNodeLanes>(to + g) + f * load<kNodeLanes>(from + g));
    }
}

HALFSEEN_INLINE double dot_nodes(const double* a, const double* b, std::int64_t G) {
    auto total = splat<double, kNodeLanes>(0.0);
    for (std::int64_t g = 0; g < G; g += kNodeLanes) {
        total = total + load<kNodeLanes>(a + g) * load<kNodeLanes>(b + g);
    }
    return sum_lanes(total);
}

// Expected counts of a batch of rows, collected panel by panel and handed over at the end.
class Counts {
public:
    Counts(double* out, std::int64_t n_lines, std::int64_t n_nodes, std::int64_t most)
        : out_(out), n_lines_(n_lines), n_nodes_(n_nodes), most_(most), sums_(out ? n_lines * n_nodes : 0),
          weights_(out ? kRowsAtOnce * n_nodes : 0), lines_(out ? kRowsAtOnce * most : 0) {
        if (out) fill_zero(sums_.get(), n_lines * n_nodes);
    }
    void add(const double* q, double frequency, const std::int32_t* lines, std::int64_t n) {
        if (!out_) return;
        const auto f = splat<double, kNodeLanes>(frequency);
        double* to = weights_.get() + held_ * n_nodes_;
        for (std::int64_t g = 0; g < n_nodes_; g += kNodeLanes) store(to + g, f * load<kNodeLanes>(q + g));
        std::memcpy(lines_.get() + held_ * most_, lines, static_cast<std::size_t>(n) * sizeof(std::int32_t));
        sizes_[held_++] = n;
        if (held_ == kRowsAtOnce) scatter();
    }
    void finish() {
        if (!out_) return;
        scatter();
        for_panels(n_nodes_, [&](auto width, std::int64_t g) {
            constexpr std::int64_t wide = decltype(width)::value * kNodeLanes;
            const double* from = sums_.get() + g * n_lines_;
            for (std::int64_t l = 0; l < n_lines_; ++l) {
                for (std::int64_t v = 0; v < wide; ++v) out_[l * n_nodes_ + g + v] += from[l * wide + v];
            }
        });
    }

private:
    void scatter() {
        for_panels(n_nodes_, [&](auto width, std::int64_t g) {
            for (std::int64_t i = 0; i < held_; ++i) {
                scatter_panel<decltype(width)::value>(weights_.get() + i * n_nodes_ + g, lines_.get() + i * most_,
                                                      sizes_[i], sums_.get() + g * n_lines_);
            }
        });
        held_ = 0;
    }

    double* out_;
    std::int64_t n_lines_, n_nodes_, most_, held_ = 0;
    std::int64_t sizes_[kRowsAtOnce] = {};
    Scratch<double> sums_, weights_;
    Scratch<std::int32_t> lines_;
};

inline double expect(const Responses& r, const Nodes& nodes, const Expected& out) {
    const std::int64_t G = nodes.n_nodes;
    Scratch<double> posterior(G), squares(G);
    Scratch<std::int32_t> lines(r.most + 1);
    Counts counts(out.counts, nodes.n_lines, G, r.most + 1);
    if (out.moments) {
        for (std::int64_t g = 0; g < G; ++g) squares[g] = nodes.positions[g] * nodes.positions[g];
    }
    double total = 0.0;
    for (std::int64_t i = 0; i < r.n_rows; ++i) {
        double* q = posterior.get();
        const std::int64_t n = lines_of(r, i, lines.get());
        const double frequency = nodes.frequency ? nodes.frequency[i] : 1.0;
        start_row(nodes, i, q);
        gather_lines(nodes.table, G, lines.get(), n, q);
        const double value = normalise(q, G);
        total += frequency * value;
        if (out.log_likelihood) out.log_likelihood[i] = value;
        if (out.posterior) std::memcpy(out.posterior + i * G, q, static_cast<std::size_t>(G) * sizeof(double));
        if (out.moments) {
            out.moments[2 * i] = dot_nodes(q, nodes.positions, G);
            out.moments[2 * i + 1] = dot_nodes(q, squares.get(), G);
        }
        if (out.mass) add_scaled(q, frequency, G, out.mass + (nodes.groups ? nodes.groups[i] * G : 0));
        counts.add(q, frequency, lines.get(), n);
    }
    counts.finish();
    return total;
}

// out_i = sum over the row's answers of the posterior means of the derivatives of their log-probabilities
inline void response_scores(const Responses& r, const double* posterior, std::int64_t G, const Derivatives& d,
                            double* out) {
    Scratch<std::int32_t> lines(r.most + 1);
    for (std::int64_t i = 0; i < r.n_rows; ++i) {
        double* to = out + i * d.n_parameters;
        fill_zero(to, d.n_parameters);
        const std::int64_t n = lines_of(r, i, lines.get());
        for (std::int64_t e = 0; e < n; ++e) {
            const std::int32_t line = lines[e];
            const double* from = d.table + d.first[line] * G;
            for (std::int32_t k = 0; k < d.count[line]; ++k) {
                to[d.target[line] + k] += dot_nodes(posterior + i * G, from + k * G, G);
            }
        }
    }
}

// One row's weights, added to its later answers' places
template <int Size>
HALFSEEN_INLINE void pair_panel(const double* q, const std::int32_t* places, std::int64_t n, std::int64_t G, double* out) {
    NodeVec s[Size];
    for (int v = 0; v < Size; ++v) s[v] = load<kNodeLanes>(q + v * kNodeLanes);
    for (std::int64_t b = 0; b < n; ++b) {
        double* to = out + places[b] * G;
        for (int v = 0; v < Size; ++v) store(to + v * kNodeLanes, load<kNodeLanes>(to + v * kNodeLanes) + s[v]);
    }
}

// out[k, l] += the row's weights at the nodes, for the places k <= l of each two of its answers. Rows come in batches,
// and place after place, so that one line of `out` at a panel's nodes stays in the first cache.
inline void response_pairs(const Responses& r, const double* weights, std::int64_t G, const std::int32_t* place,
                           std::int64_t n_places, double* out) {
    Scratch<std::int32_t> held(kRowsAtOnce * (r.most + 1));
    std::int64_t sizes[kRowsAtOnce], cursors[kRowsAtOnce];
    for (std::int64_t first = 0; first < r.n_rows; first += kRowsAtOnce) {
        const std::int64_t rows = r.n_rows - first < kRowsAtOnce ? r.n_rows - first : kRowsAtOnce;
        for (std::int64_t i = 0; i < rows; ++i) {
            std::int32_t* own = held.get() + i * (r.most + 1);
            sizes[i] = lines_of(r, first + i, own);
            for (std::int64_t e = 0; e < sizes[i]; ++e) own[e] = place[own[e]];
            std::sort(own, own + sizes[i]);
        }
        for_panels(G, [&](auto width, std::int64_t g) {
            for (std::int64_t i = 0; i < rows; ++i) cursors[i] = 0;
            for (std::int64_t k = 0; k < n_places; ++k) {
                double* line = out + k * n_places * G + g;
                for (std::int64_t i = 0; i < rows; ++i) {
                    const std::int32_t* own = held.get() + i * (r.most + 1);
                    const std::int64_t c = cursors[i];
                    if (c == sizes[i] || own[c] != k) continue;
                    pair_panel<decltype(width)::value>(weights + (first + i) * G + g, own + c, sizes[i] - c, G, line);
                    ++cursors[i];
                }
            }
        });
    }
}

}  // namespace HALFSEEN_SPACE
