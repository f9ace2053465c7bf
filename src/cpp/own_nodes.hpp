// Marginal likelihood of answers on nodes of each row's own, for abilities of several dimensions.
#pragma once
#include <cmath>

#include "responses.hpp"

namespace HALFSEEN_SPACE {

using halfseen::OwnExpected;
using halfseen::OwnNodes;

// What one row needs: its nodes, their log weights (then its posterior), and the derivatives of its answers.
struct OwnRow {
    double* x;        // (D, S)
    double* weights;  // (S,)
    double* bounds;   // (answers, 2, S): derivatives with respect to the upper and the lower bound
};

inline void place_nodes(const OwnNodes& nodes, std::int64_t row, const OwnRow& r) {
    const std::int64_t D = nodes.n_dims, S = nodes.n_nodes;
    const double* root = nodes.roots + row * D * D;
    double level = 0.0;
    for (std::int64_t d = 0; d < D; ++d) level += std::log(root[d * D + d]);
    for (std::int64_t s = 0; s < S; ++s) r.weights[s] = level + nodes.shares[s];
    const auto half = splat<double, kNodeLanes>(0.5);
    for (std::int64_t d = 0; d < D; ++d) {
        const auto mode = splat<double, kNodeLanes>(nodes.modes[row * D + d]);
        for (std::int64_t s = 0; s < S; s += kNodeLanes) {
            auto x = mode;
            for (std::int64_t e = 0; e <= d; ++e) {
                x = x + splat<double, kNodeLanes>(root[d * D + e]) * load<kNodeLanes>(nodes.points + e * S + s);
            }
            const auto t = load<kNodeLanes>(nodes.points + d * S + s);
            store(r.x + d * S + s, x);
            store(r.weights + s, load<kNodeLanes>(r.weights + s) + half * (t * t - x * x));
        }
    }
}

// log s(z), and 1 - s(z) in `rest`.
HALFSEEN_INLINE NodeVec log_sigmoid(NodeVec z, NodeVec& rest) {
    const auto zero = splat<double, kNodeLanes>(0.0), one = splat<double, kNodeLanes>(1.0);
    const auto low = min(z, zero);
    const auto e = vector_exp<true>(low - max(z, zero));  // exp(-|z|)
    const auto share = one / (one + e);
    rest = where_less(z, zero, share, e * share);
    return low - twice_atanh(e / (one + one + e));
}

// Adds an answer's log-probability to the nodes' weights and keeps its derivatives.
inline void add_answer(const OwnNodes& nodes, std::int64_t line, const OwnRow& r, double* bounds) {
    const std::int64_t D = nodes.n_dims, S = nodes.n_nodes;
    const double* slope = nodes.slopes + line * D;
    const bool is_above = std::isfinite(nodes.upper[line]), is_below = std::isfinite(nodes.lower[line]);
    const auto upper = splat<double, kNodeLanes>(is_above ? nodes.upper[line] : 0.0);
    const auto lower = splat<double, kNodeLanes>(is_below ? nodes.lower[line] : 0.0);
    const auto zero = splat<double, kNodeLanes>(0.0);
    const auto constant = splat<double, kNodeLanes>(nodes.constant[line]);
    for (std::int64_t s = 0; s < S; s += kNodeLanes) {
        auto m = zero, log = constant, rest = zero;
        for (std::int64_t d = 0; d < D; ++d) {
            m = m + splat<double, kNodeLanes>(slope[d]) * load<kNodeLanes>(r.x + d * S + s);
        }
        if (is_above) log = log + log_sigmoid(m + upper, rest);
        store(bounds + s, rest);
        rest = zero;
        if (is_below) log = log + log_sigmoid(zero - m - lower, rest);
        store(bounds + S + s, zero - rest);
        store(r.weights + s, load<kNodeLanes>(r.weights + s) + log);
    }
}

inline void row_moments(const OwnNodes& nodes, const OwnRow& r, double* mean, double* covariance) {
    const std::int64_t D = nodes.n_dims, S = nodes.n_nodes;
    for (std::int64_t d = 0; d < D; ++d) mean[d] = dot_nodes(r.weights, r.x + d * S, S);
    if (!covariance) return;
    for (std::int64_t d = 0; d < D; ++d) {
        for (std::int64_t e = 0; e <= d; ++e) {
            auto total = splat<double, kNodeLanes>(0.0);
            for (std::int64_t s = 0; s < S; s += kNodeLanes) {
                total = total + load<kNodeLanes>(r.weights + s) * load<kNodeLanes>(r.x + d * S + s) *
                                    load<kNodeLanes>(r.x + e * S + s);
            }
            covariance[d * D + e] = covariance[e * D + d] = sum_lanes(total) - mean[d] * mean[e];
        }
    }
}

// Posterior means of an answer's derivatives with respect to slope, upper and lower bound.
inline void answer_scores(const OwnNodes& nodes, const OwnRow& r, double* bounds, double* out) {
    const std::int64_t D = nodes.n_dims, S = nodes.n_nodes;
    out[D] = dot_nodes(r.weights, bounds, S);
    out[D + 1] = dot_nodes(r.weights, bounds + S, S);
    for (std::int64_t s = 0; s < S; s += kNodeLanes) {
        const auto e = load<kNodeLanes>(bounds + s) + load<kNodeLanes>(bounds + S + s);
        store(bounds + s, e * load<kNodeLanes>(r.weights + s));
    }
    for (std::int64_t d = 0; d < D; ++d) out[d] = dot_nodes(bounds, r.x + d * S, S);
}

inline double own_expect(const Responses& r, const OwnNodes& nodes, const OwnExpected& out) {
    const std::int64_t D = nodes.n_dims, S = nodes.n_nodes;
    Scratch<double> x(D * S), weights(S), bounds((r.most + 1) * 2 * S), mean(D), scores(D + 2);
    Scratch<std::int32_t> lines(r.most + 1);
    const OwnRow row{x.get(), weights.get(), bounds.get()};
    double total = 0.0;
    std::int64_t answer = 0;
    for (std::int64_t i = 0; i < r.n_rows; ++i) {
        const std::int64_t n = lines_of(r, i, lines.get());
        const double frequency = nodes.frequency ? nodes.frequency[i] : 1.0;
        place_nodes(nodes, i, row);
        for (std::int64_t e = 0; e < n; ++e) add_answer(nodes, lines[e], row, bounds.get() + e * 2 * S);
        const double value = normalise(row.weights, S);
        total += frequency * value;
        if (out.log_likelihood) out.log_likelihood[i] = value;
        if (out.mean) {
            row_moments(nodes, row, mean.get(), out.covariance ? out.covariance + i * D * D : nullptr);
            std::memcpy(out.mean + i * D, mean.get(), static_cast<std::size_t>(D) * sizeof(double));
        }
        if (out.sums || out.scores) {
            for (std::int64_t e = 0; e < n; ++e) {
                answer_scores(nodes, row, bounds.get() + e * 2 * S, scores.get());
                for (std::int64_t d = 0; d < D + 2; ++d) {
                    if (out.sums) out.sums[lines[e] * (D + 2) + d] += frequency * scores[d];
                    if (out.scores) out.scores[answer * (D + 2) + d] = scores[d];
                }
                ++answer;
            }
        }
    }
    return total;
}

}  // namespace HALFSEEN_SPACE
