// The loss on a buffer of linear predictors, with full vectors.
#pragma once
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

template <Family F, bool Gradient, bool Curvature, class T>
double evaluate_family(const Buffer<T>& b, T trials) {
    constexpr int W = kLanes<T>;
    using V = Vec<T, W>;
    V sum = splat<T, W>(T(0));
    for (int e = 0; e < b.n; e += W) {
        V m = load<W>(b.m + e);
        if (b.base) m = m + load<W>(b.base + e);
        V loss, gradient, curvature;
        family_parts<F>(load<W>(b.y + e), m, trials, loss, gradient, curvature);
        if (b.weights) {
            const V w = load<W>(b.weights + e);
            loss = loss * w;
            gradient = gradient * w;
            curvature = curvature * w;
        }
        if (e + W > b.n) loss = first_lanes(loss, b.n - e);
        sum = sum + loss;
        if (Gradient) store(b.g + e, gradient);
        if (Curvature) store(b.t + e, curvature);
    }
    return static_cast<double>(sum_lanes(sum));
}

template <Family F, class T>
double evaluate_wanted(const Buffer<T>& b, T trials) {
    if (b.t) return evaluate_family<F, true, true>(b, trials);
    if (b.g) return evaluate_family<F, true, false>(b, trials);
    return evaluate_family<F, false, false>(b, trials);
}

// Summed loss of the buffer; float32 sums are at most a tile long, the caller adds them up in double.
template <class T>
double evaluate(const Buffer<T>& b, Family family, T trials) {
    switch (family) {
        case Family::gaussian:
            return evaluate_wanted<Family::gaussian>(b, trials);
        case Family::bernoulli:
            return evaluate_wanted<Family::bernoulli>(b, trials);
        default:
            return evaluate_wanted<Family::poisson>(b, trials);
    }
}

}  // namespace HALFSEEN_SPACE
