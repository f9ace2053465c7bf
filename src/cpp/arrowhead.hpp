// Elimination of the trailing unknowns of many small symmetric systems, one after the other.
#pragma once
#include <cstdint>
#include <vector>

namespace halfseen {

// What is left of each system (A, B; B', C + diagonal) with right side (a; c) when its trailing unknowns are gone.
struct Eliminated {
    double* schur;  // (n, kept, kept): A - B C^-1 B'
    double* right;  // (n, kept): a - B C^-1 c
    double* turn;   // (n, rest, kept): C^-1 B'
    double* own;    // (n, rest): C^-1 c
};

// C = L D L' without pivots: it serves indefinite C too. A direction whose pivot vanishes is left out. Scalar: k is
// small, and the lengths known at run time only; a dense solver's call per system costs ten times its arithmetic.
inline void eliminate_rest(const double* H, const double* g, std::int64_t n, std::int64_t k, std::int64_t kept,
                           double diagonal, const Eliminated& out) {
    const std::int64_t rest = k - kept, wide = kept + 1;
    std::vector<double> factor(rest * rest), pivots(rest), sides(rest * wide), solved(rest * wide);
    double *L = factor.data(), *inverse = pivots.data(), *W = sides.data(), *X = solved.data();
    for (std::int64_t i = 0; i < n; ++i) {
        const double *from = H + i * k * k, *slope = g + i * k;
        for (std::int64_t a = 0; a < rest; ++a) {
            const double* row = from + (kept + a) * k;
            double* w = W + a * wide;
            for (std::int64_t c = 0; c < kept; ++c) w[c] = row[c];
            w[kept] = slope[kept + a];
            double pivot = row[kept + a] + diagonal;
            for (std::int64_t b = 0; b < a; ++b) {
                double sum = row[kept + b];
                for (std::int64_t c = 0; c < b; ++c) sum -= L[a * rest + c] * L[b * rest + c] * inverse[c];
                L[a * rest + b] = sum;  // times the pivot of b, until it is divided below
                const double part = sum * inverse[b];
                pivot -= part * sum;
                for (std::int64_t c = 0; c < wide; ++c) w[c] -= part * W[b * wide + c];
            }
            inverse[a] = pivot != 0.0 ? 1.0 / pivot : 0.0;
        }
        for (std::int64_t a = rest; a-- > 0;) {
            double* x = X + a * wide;
            for (std::int64_t c = 0; c < wide; ++c) x[c] = W[a * wide + c] * inverse[a];
            for (std::int64_t b = a + 1; b < rest; ++b) {
                const double part = L[b * rest + a] * inverse[a];
                for (std::int64_t c = 0; c < wide; ++c) x[c] -= part * X[b * wide + c];
            }
            for (std::int64_t c = 0; c < kept; ++c) out.turn[(i * rest + a) * kept + c] = x[c];
            out.own[i * rest + a] = x[kept];
        }
        for (std::int64_t r = 0; r < kept; ++r) {
            double* to = out.schur + (i * kept + r) * kept;
            double right = slope[r];
            for (std::int64_t c = 0; c < kept; ++c) to[c] = from[r * k + c];
            for (std::int64_t a = 0; a < rest; ++a) {
                const double* w = W + a * wide;
                const double part = w[r] * inverse[a];
                for (std::int64_t c = 0; c < kept; ++c) to[c] -= part * w[c];
                right -= part * w[kept];
            }
            out.right[i * kept + r] = right;
        }
    }
}

}  // namespace halfseen
