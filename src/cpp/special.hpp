// exp, log(1 + q) and the loss families on vectors: a few polynomial terms in place of one libm call per entry.
#pragma once
#include "kernels.hpp"
#include "simd.hpp"

namespace HALFSEEN_SPACE {

using halfseen::Family;

template <class T>
struct ExpFacts;

template <>
struct ExpFacts<float> {
    static constexpr float log2e = 1.44269504088896341f;
    // ln 2 in two pieces, the first short enough for n * ln2_high to be exact.
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr float lowest = -87.0f, highest = 88.0f;
    static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves round(x) in the low bits
    static constexpr int mantissa = 23, bias = 127;
};

template <>
struct ExpFacts<double> {
    static constexpr double log2e = 1.44269504088896338700;
    static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
    static constexpr double lowest = -708.0, highest = 709.0;
    static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr int mantissa = 52, bias = 1023;
};

// Coefficients, constant term first. exp on |r| <= ln2/2: the Taylor series to the dtype's last bit (the remainder
// (ln2/2)^(n+1)/(n+1)! is 2e-9 for n = 7 and 4e-18 for n = 13). atanh(z)/z in z^2 for z <= 1/3: likewise.
template <class T>
struct Series;

template <>
struct Series<float> {
    static constexpr float exp[] = {1.f, 1.f, 1.f / 2, 1.f / 6, 1.f / 24, 1.f / 120, 1.f / 720, 1.f / 5040};
    static constexpr float atanh[] = {1.f, 1.f / 3, 1.f / 5, 1.f / 7, 1.f / 9, 1.f / 11, 1.f / 13};
};

template <>
struct Series<double> {
    static constexpr double exp[] = {1.,           1.,            1. / 2,         1. / 6,     1. / 24,
                                     1. / 120,     1. / 720,      1. / 5040,      1. / 40320, 1. / 362880,
                                     1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
    static constexpr double atanh[] = {1.,      1. / 3,  1. / 5,  1. / 7,  1. / 9,  1. / 11, 1. / 13, 1. / 15, 1. / 17,
                                       1. / 19, 1. / 21, 1. / 23, 1. / 25, 1. / 27, 1. / 29, 1. / 31};
};

template <class T, int W, std::size_t N>
HALFSEEN_INLINE Vec<T, W> polynomial(Vec<T, W> x, const T (&c)[N]) {
    Vec<T, W> out = splat<T, W>(c[N - 1]);
    for (std::size_t i = N - 1; i-- > 0;) out = out * x + splat<T, W>(c[i]);
    return out;
}

// exp(x) for x clipped to the finite range of the dtype: x = n ln2 + r, exp(x) = 2^n exp(r). NaN stays NaN.
template <class T, int W>
HALFSEEN_INLINE Vec<T, W> vector_exp(Vec<T, W> x) {
    using F = ExpFacts<T>;
    using V = Vec<T, W>;
    // Written so that a NaN fails both comparisons and passes through.
    V clipped = where_less(splat<T, W>(F::highest), x, splat<T, W>(F::highest), x);
    clipped = where_less(clipped, splat<T, W>(F::lowest), splat<T, W>(F::lowest), clipped);
    const V shifted = clipped * splat<T, W>(F::log2e) + splat<T, W>(F::round);
    const V n = shifted - splat<T, W>(F::round);
    const V r = (clipped - n * splat<T, W>(F::ln2_high)) - n * splat<T, W>(F::ln2_low);
    using I = Bits<T>;
    const auto exponent = shift_left(bits_as<I>(shifted) + splat<I, W>(I(F::bias)), F::mantissa);
    return polynomial(r, Series<T>::exp) * bits_as<T>(exponent);
}

// log(1 + q) = 2 atanh(z) for 0 <= q <= 1, z = q / (2 + q): no cancellation for small q.
template <class T, int W>
HALFSEEN_INLINE Vec<T, W> twice_atanh(Vec<T, W> z) {
    return (z + z) * polynomial(z * z, Series<T>::atanh);
}

// Loss, mean (gradient = mean - y) and curvature of one entry; parts that are not used are not computed.
template <Family F, class T, int W>
HALFSEEN_INLINE void family_parts(
    Vec<T, W> y, Vec<T, W> m, T trials, Vec<T, W>& loss, Vec<T, W>& gradient, Vec<T, W>& curvature) {
    using V = Vec<T, W>;
    const V zero = splat<T, W>(T(0)), one = splat<T, W>(T(1));
    if constexpr (F == Family::gaussian) {
        gradient = m - y;
        loss = splat<T, W>(T(0.5)) * gradient * gradient;
        curvature = one;
    } else if constexpr (F == Family::bernoulli) {
        const V size = where_less(m, zero, zero - m, m);
        const V q = vector_exp(zero - size);  // in (0, 1]: neither branch overflows
        const V n = splat<T, W>(trials);
        // 1 / (1 + q) and q / (2 + q) by one division
        const V two_q = one + one + q, one_q = one + q;
        const V shared = one / (one_q * two_q);
        const V inverse = shared * two_q;
        const V small = q * inverse;
        // log(1 + e^m) = max(m, 0) + log(1 + e^-|m|)
        loss = n * (where_less(m, zero, zero, m) + twice_atanh(q * (shared * one_q))) - y * m;
        const V mean = where_less(m, zero, small, inverse);
        gradient = n * mean - y;
        curvature = n * small * inverse;
    } else {
        // exp is continued by its tangent above 30 (see kernels/reference.py).
        const V cap = splat<T, W>(T(30));
        const V capped = where_less(cap, m, cap, m);
        const V mean = vector_exp(capped);
        loss = mean * (one + (m - capped)) - y * m;
        gradient = mean - y;
        curvature = mean;
    }
}

}  // namespace HALFSEEN_SPACE
