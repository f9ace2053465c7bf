// The loss on a buffer of linear predictors, with full vectors.
#pragma once
#include <limits>

#include "special.hpp"
#include "tile.hpp"

namespace HALFSEEN_SPACE {

// What evaluate() reads and writes; arrays have room for whole vectors. base and weights may be null, g and t too.
template <class T>
struct Buffer {
    int n;
    const T* y;
    const T* weights;
    const T* base;
    const T* m;
    T* g;  // w (mean - y)
    T* t;  // w curvature
};

// One vector of entries from e on; returns its losses.
template <Family F, bool Weighted, bool Gradient, bool Curvature, class T, int W = kLanes<T>>
HALFSEEN_INLINE Vec<T, W> evaluate_vector(const Buffer<T>& b, T trials, int e) {
    Vec<T, W> m = load<W>(b.m + e), loss, gradient, curvature;
    if (b.base) m = m + load<W>(b.base + e);
    family_parts<F>(load<W>(b.y + e), m, trials, loss, gradient, curvature);
    if (Weighted) {
        const Vec<T, W> w = load<W>(b.weights + e);
        loss = loss * w;
        gradient = gradient * w;
        curvature = curvature * w;
    }
    if (Gradient) store(b.g + e, gradient);
    if (Curvature) store(b.t + e, curvature);
    return loss;
}

template <Family F, bool Weighted, bool Gradient, bool Curvature, class T>
double evaluate_family(const Buffer<T> b, T trials) {
    constexpr int W = kLanes<T>;
    Vec<T, W> sum = splat<T, W>(T(0));
    int e = 0;
    for (; e + W <= b.n; e += W) sum = sum + evaluate_vector<F, Weighted, Gradient, Curvature>(b, trials, e);
    if (e < b.n) sum = sum + first_lanes(evaluate_vector<F, Weighted, Gradient, Curvature>(b, trials, e), b.n - e);
    return static_cast<double>(sum_lanes(sum));
}

template <Family F, bool Weighted, class T>
double evaluate_wanted(const Buffer<T>& b, T trials) {
    if (b.t) return evaluate_family<F, Weighted, true, true>(b, trials);
    if (b.g) return evaluate_family<F, Weighted, true, false>(b, trials);
    return evaluate_family<F, Weighted, false, false>(b, trials);
}

template <Family F, class T>
double evaluate_as(const Buffer<T>& b, T trials) {
    return b.weights ? evaluate_wanted<F, true>(b, trials) : evaluate_wanted<F, false>(b, trials);
}

// Summed loss of the buffer; float32 sums are at most a tile long, the caller adds them up in double.
template <class T>
double evaluate(const Buffer<T>& b, Family family, T trials) {
    switch (family) {
        case Family::gaussian:
            return evaluate_as<Family::gaussian>(b, trials);
        case Family::bernoulli:
            return evaluate_as<Family::bernoulli>(b, trials);
        case Family::poisson:
            return evaluate_as<Family::poisson>(b, trials);
    }
    return std::numeric_limits<double>::quiet_NaN();  // no such family: the bindings refuse it before
}

}  // namespace HALFSEEN_SPACE
