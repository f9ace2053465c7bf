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

// Coefficients, constant term first and exactly 1; the others interpolate at Chebyshev's points: fewer terms than the
// Taylor series to the same bit. Largest relative errors: exp on |r| <= ln2/2, 5.1e-9 (float32) and 8.5e-18 (float64);
// atanh(z)/z in z^2 for z <= 1/3, 3.8e-10 and 4.7e-18.
template <class T>
struct Series;

template <>
struct Series<float> {
    static constexpr float exp[] = {1.f,         1.0000000108f, 0.5000000013f, 0.1666650494f,
                                    0.04166646460f, 0.008369184387f, 0.001393368586f};
    static constexpr float atanh[] = {1.f, 0.3333333366f, 0.1999985285f, 0.1429619601f, 0.1085300081f, 0.1161364608f};
};

template <>
struct Series<double> {
    static constexpr double exp[] = {1.,
                                     1.,
                                     0.50000000000000056451,
                                     0.16666666666666671008,
                                     0.041666666666572767692,
                                     0.0083333333333261120526,
                                     0.0013888888932619635148,
                                     0.00019841269874901259234,
                                     0.000024801504180837138252,
                                     2.7557255297969644392e-6,
                                     2.7626426376580332797e-7,
                                     2.5105259538448493419e-8};
    static constexpr double atanh[] = {1.,
                                       0.33333333333333329259,
                                       0.20000000000007326249,
                                       0.14285714283545123892,
                                       0.11111111359649968332,
                                       0.090908946709974210474,
                                       0.076927863535871475391,
                                       0.066570504421455301262,
                                       0.060007424466443791143,
                                       0.043993168097537577782,
                                       0.080842544861943638477};
};

// Estrin's scheme: pairs, pairs of pairs, ...; Horner's chain of N - 1 dependent multiply-adds would cost its latency.
template <class T, int W, std::size_t N>
HALFSEEN_INLINE Vec<T, W> polynomial(Vec<T, W> x, const T (&c)[N]) {
    Vec<T, W> terms[(N + 1) / 2];
    for (std::size_t i = 0; i < N / 2; ++i) terms[i] = splat<T, W>(c[2 * i + 1]) * x + splat<T, W>(c[2 * i]);
    if (N % 2) terms[N / 2] = splat<T, W>(c[N - 1]);
    for (std::size_t n = (N + 1) / 2; n > 1; n = (n + 1) / 2) {
        x = x * x;
        for (std::size_t i = 0; i < n / 2; ++i) terms[i] = terms[2 * i + 1] * x + terms[2 * i];
        if (n % 2) terms[n / 2] = terms[n - 1];
    }
    return terms[0];
}

// exp(x) for x clipped to the finite range of the dtype: x = n ln2 + r, exp(x) = 2^n exp(r). NaN stays NaN.
// AtMostZero: the caller knows that no x is positive.
template <bool AtMostZero = false, class T, int W>
HALFSEEN_INLINE Vec<T, W> vector_exp(Vec<T, W> x) {
    using F = ExpFacts<T>;
    using V = Vec<T, W>;
    // Written so that a NaN fails both comparisons and passes through.
    V clipped = AtMostZero ? x : where_less(splat<T, W>(F::highest), x, splat<T, W>(F::highest), x);
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
        const V q = vector_exp<true>(where_less(m, zero, m, zero - m));  // in (0, 1]: neither branch overflows
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
        static_assert(F == Family::poisson, "a family without a rule here");
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
