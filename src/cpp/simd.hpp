// Fixed-width vectors: GCC/clang vector extensions, or plain arrays and loops where there are none.
//
// Everything lives in a name space of its own per instruction set, and no std:: template is instantiated here: two
// builds must never share an inline function, or the linker would keep one processor's version for all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if !defined(HALFSEEN_PLAIN) && (defined(__GNUC__) || defined(__clang__))
#define HALFSEEN_VECTORS 1
#define HALFSEEN_INLINE inline __attribute__((always_inline))
#define HALFSEEN_PREFETCH(p) __builtin_prefetch(p)
#else
#define HALFSEEN_VECTORS 0
#define HALFSEEN_INLINE inline
#define HALFSEEN_PREFETCH(p) (void)(p)
#endif

namespace HALFSEEN_SPACE {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
    using type = std::int32_t;
};
template <>
struct BitsOf<double> {
    using type = std::int64_t;
};
template <class T>
using Bits = typename BitsOf<T>::type;

#if HALFSEEN_VECTORS

template <class T, int W>
struct Vec {
    typedef T Raw __attribute__((vector_size(sizeof(T) * W)));
    Raw v;
};

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> splat(T x) {
    return {x - typename Vec<T, W>::Raw{}};
}

#define HALFSEEN_BINARY(OP)                                          \
    template <class T, int W>                                        \
    HALFSEEN_INLINE Vec<T, W> operator OP(Vec<T, W> a, Vec<T, W> b) { \
        return {a.v OP b.v};                                         \
    }
HALFSEEN_BINARY(+)
HALFSEEN_BINARY(-)
HALFSEEN_BINARY(*)
HALFSEEN_BINARY(/)
#undef HALFSEEN_BINARY

// a < b ? x : y, lane by lane (a NaN compares false and so takes y).
template <class T, int W>
HALFSEEN_INLINE Vec<T, W> where_less(Vec<T, W> a, Vec<T, W> b, Vec<T, W> x, Vec<T, W> y) {
    return {a.v < b.v ? x.v : y.v};
}

template <class To, class T, int W>
HALFSEEN_INLINE Vec<To, W> bits_as(Vec<T, W> a) {
    Vec<To, W> out;
    static_assert(sizeof(a) == sizeof(out), "same width");
    std::memcpy(&out, &a, sizeof(a));
    return out;
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> shift_left(Vec<T, W> a, int n) {
    return {a.v << n};
}

template <class T, int W, std::size_t... I>
HALFSEEN_INLINE Vec<T, W> merge_pick(Vec<T, W> a, Vec<T, W> b, int block, int odd, std::index_sequence<I...>) {
    // Lane i of the result: block i / block, taken from a (even) or b (odd), out of that pair's low or high block.
    typedef Bits<T> Mask __attribute__((vector_size(sizeof(T) * W)));
#if defined(__clang__)
    (void)sizeof(Mask);
    Vec<T, W> out;
    for (int i = 0; i < W; ++i) {
        const int from = (i / (2 * block)) * 2 * block + odd * block + i % block;
        out.v[i] = (i / block) % 2 ? b.v[from] : a.v[from];
    }
    return out;
#else
    const Mask pick = {static_cast<Bits<T>>((static_cast<int>(I) / (2 * block)) * 2 * block + odd * block +
                                            static_cast<int>(I) % block +
                                            ((static_cast<int>(I) / block) % 2 ? W : 0))...};
    return {__builtin_shuffle(a.v, b.v, pick)};
#endif
}

// The reduction tree's node: sums of neighbouring blocks of a in the even blocks, of b in the odd ones.
template <int Block, class T, int W>
HALFSEEN_INLINE Vec<T, W> merge_sums(Vec<T, W> a, Vec<T, W> b) {
    constexpr auto lanes = std::make_index_sequence<W>{};
    return merge_pick(a, b, Block, 0, lanes) + merge_pick(a, b, Block, 1, lanes);
}

template <class T, int W>
HALFSEEN_INLINE T lane(Vec<T, W> a, int i) {
    return a.v[i];
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HALFSEEN_SHUFFLEVECTOR 1
#endif
#endif

template <class T, int W, std::size_t... I>
HALFSEEN_INLINE Vec<T, W / 2> fold_lanes(Vec<T, W> a, std::index_sequence<I...>) {
    Vec<T, W / 2> low, high;
#if defined(HALFSEEN_SHUFFLEVECTOR)
    low.v = __builtin_shufflevector(a.v, a.v, static_cast<int>(I)...);
    high.v = __builtin_shufflevector(a.v, a.v, (static_cast<int>(I) + W / 2)...);
#else  // through memory: the compiler then keeps `a` there, loops and all
    std::memcpy(&low, &a, sizeof(low));
    std::memcpy(&high, reinterpret_cast<const char*>(&a) + sizeof(low), sizeof(high));
#endif
    return low + high;
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W / 2> fold_halves(Vec<T, W> a) {
    return fold_lanes(a, std::make_index_sequence<W / 2>());
}

#else

template <class T, int W>
struct Vec {
    T v[W];
};

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> splat(T x) {
    Vec<T, W> out;
    for (int i = 0; i < W; ++i) out.v[i] = x;
    return out;
}

#define HALFSEEN_BINARY(OP)                                          \
    template <class T, int W>                                        \
    HALFSEEN_INLINE Vec<T, W> operator OP(Vec<T, W> a, Vec<T, W> b) { \
        for (int i = 0; i < W; ++i) a.v[i] = a.v[i] OP b.v[i];       \
        return a;                                                    \
    }
HALFSEEN_BINARY(+)
HALFSEEN_BINARY(-)
HALFSEEN_BINARY(*)
HALFSEEN_BINARY(/)
#undef HALFSEEN_BINARY

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> where_less(Vec<T, W> a, Vec<T, W> b, Vec<T, W> x, Vec<T, W> y) {
    for (int i = 0; i < W; ++i) x.v[i] = a.v[i] < b.v[i] ? x.v[i] : y.v[i];
    return x;
}

template <class To, class T, int W>
HALFSEEN_INLINE Vec<To, W> bits_as(Vec<T, W> a) {
    Vec<To, W> out;
    std::memcpy(&out, &a, sizeof(a));
    return out;
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> shift_left(Vec<T, W> a, int n) {
    for (int i = 0; i < W; ++i) a.v[i] = static_cast<T>(static_cast<std::uint64_t>(a.v[i]) << n);
    return a;
}

template <int Block, class T, int W>
HALFSEEN_INLINE Vec<T, W> merge_sums(Vec<T, W> a, Vec<T, W> b) {
    Vec<T, W> out;
    for (int i = 0; i < W; ++i) {
        const int from = (i / (2 * Block)) * 2 * Block + i % Block;
        out.v[i] = (i / Block) % 2 ? b.v[from] + b.v[from + Block] : a.v[from] + a.v[from + Block];
    }
    return out;
}

template <class T, int W>
HALFSEEN_INLINE T lane(Vec<T, W> a, int i) {
    return a.v[i];
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W / 2> fold_halves(Vec<T, W> a) {
    Vec<T, W / 2> out;
    for (int i = 0; i < W / 2; ++i) out.v[i] = a.v[i] + a.v[i + W / 2];
    return out;
}

#endif

template <int W, class T>
HALFSEEN_INLINE Vec<T, W> load(const T* p) {
    Vec<T, W> out;
    std::memcpy(&out, p, sizeof(out));
    return out;
}

template <class T, int W>
HALFSEEN_INLINE void store(T* p, Vec<T, W> a) {
    std::memcpy(p, &a, sizeof(a));
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> min(Vec<T, W> a, Vec<T, W> b) {
    return where_less(a, b, a, b);
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> max(Vec<T, W> a, Vec<T, W> b) {
    return where_less(a, b, b, a);
}

template <class T, int W>
HALFSEEN_INLINE Vec<T, W> lane_numbers() {
    Vec<T, W> out;
    for (int i = 0; i < W; ++i) out.v[i] = static_cast<T>(i);
    return out;
}

// a with zeros from lane n on, whatever stood there (NaN too).
template <class T, int W>
HALFSEEN_INLINE Vec<T, W> first_lanes(Vec<T, W> a, int n) {
    return where_less(lane_numbers<T, W>(), splat<T, W>(static_cast<T>(n)), a, splat<T, W>(T(0)));
}

template <class T>
HALFSEEN_INLINE T sum_lanes(Vec<T, 1> a) {
    return lane(a, 0);
}

template <class T, int W>
HALFSEEN_INLINE T sum_lanes(Vec<T, W> a) {
    if constexpr (W == 2) {
        return lane(a, 0) + lane(a, 1);
    } else {
        return sum_lanes(fold_halves(a));
    }
}

// Write the sums of N vectors' lanes (N a power of two, at most W) to out[0..N): a transposing tree of shuffles and
// adds, about three instructions a sum, instead of one horizontal sum each.
template <int N, int Block = 1, class T, int W>
HALFSEEN_INLINE void store_sums(Vec<T, W>* a, T* out) {
    if constexpr (Block < N) {
        for (int i = 0; i < N / Block / 2; ++i) a[i] = merge_sums<Block>(a[2 * i], a[2 * i + 1]);
        store_sums<N, 2 * Block>(a, out);
    } else if constexpr (W > N) {
        auto half = fold_halves(a[0]);
        store_sums<N, Block>(&half, out);
    } else {
        store(out, a[0]);
    }
}

// (x, 0, 0, ...)
template <int W, class T>
HALFSEEN_INLINE Vec<T, W> first_lane(T x) {
    Vec<T, W> out{};
    out.v[0] = x;
    return out;
}

// Cache-line aligned scratch memory. Not std::vector: see the note on shared inline functions above. (Huge pages were
// tried for the slots: their zeroing on every call costs more than the TLB misses they save.)
template <class T>
class Scratch {
public:
    explicit Scratch(std::int64_t n) : raw_(new char[static_cast<std::size_t>(n) * sizeof(T) + 128]) {
        const auto address = reinterpret_cast<std::uintptr_t>(raw_);
        data_ = reinterpret_cast<T*>((address + 63) & ~static_cast<std::uintptr_t>(63));
    }
    ~Scratch() { delete[] raw_; }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    T* get() const { return data_; }
    T& operator[](std::int64_t i) const { return data_[i]; }

private:
    char* raw_;
    T* data_;
};

template <class T>
void fill_zero(T* out, std::int64_t n) {
    if (out) std::memset(static_cast<void*>(out), 0, static_cast<std::size_t>(n) * sizeof(T));
}

template <class T>
HALFSEEN_INLINE T least(T a, T b) {
    return b < a ? b : a;
}

template <class T>
HALFSEEN_INLINE T most(T a, T b) {
    return a < b ? b : a;
}

}  // namespace HALFSEEN_SPACE
