// The pair kernels as the Python module offers them.
#include "module_pairs.hpp"

#include <nanobind/ndarray.h>

#include <stdexcept>
#include <utility>

#include "pairs.hpp"

namespace nb = nanobind;
using namespace halfseen;

namespace {

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

template <class V>
nb::object array_of(V* data, std::int64_t size) {
    nb::capsule owner(data, [](void* p) noexcept { std::free(p); });
    return nb::cast(nb::ndarray<nb::numpy, V, nb::ndim<1>>(data, {static_cast<std::size_t>(size)}, owner));
}

nb::tuple tuple_of(std::unique_ptr<PairTable> t) {
    Piece<std::int64_t> indptr(static_cast<std::int64_t>(t->indptr.size()));
    std::copy(t->indptr.begin(), t->indptr.end(), indptr.data());
    const auto n = static_cast<std::int64_t>(t->indptr.size());
    return nb::make_tuple(array_of(indptr.release(n), n), array_of(t->indices.release(t->size), t->size),
                          array_of(t->counts.release(t->size), t->size), array_of(t->sums.release(t->size), t->size),
                          array_of(t->squares.release(t->size), t->size));
}

// Arrays of a block of rows, as kernels/arguments.py passes them (weights and offset have no meaning here).
template <class T>
struct Rows {
    In<std::int64_t> indptr;
    In<std::int32_t> indices;
    In<T> values;
    std::int64_t n_cols;

    explicit Rows(const nb::tuple& block)
        : indptr(nb::cast<In<std::int64_t>>(block[0], false)), indices(nb::cast<In<std::int32_t>>(block[1], false)),
          values(nb::cast<In<T>>(block[2], false)), n_cols(nb::cast<std::int64_t>(block[5])) {
        if (indptr.size() == 0) throw nb::value_error("indptr is empty");
        const std::int64_t n = indptr.data()[indptr.size() - 1] - indptr.data()[0];
        if (n < 0 || values.size() != static_cast<std::size_t>(n) || indices.size() != values.size()) {
            throw nb::value_error("indptr, indices and values disagree");
        }
        if (n > INT64_C(0xffffffff)) throw nb::value_error("more than 2^32 entries in one block; use smaller blocks");
    }
    Entries<T> entries() const {
        return {indptr.data(), indices.data(), values.data(), nullptr,
                nullptr,       static_cast<std::int64_t>(indptr.size()) - 1, n_cols};
    }
    void check(std::int64_t first, std::int64_t last) const {
        if (first < 0 || last < first || last > n_cols) throw nb::value_error("not a range of the columns");
    }
};

template <class T>
nb::tuple moments(nb::tuple block, std::int64_t first, std::int64_t last) {
    const Rows<T> rows(block);
    rows.check(first, last);
    const auto entries = rows.entries();
    std::unique_ptr<PairTable> made;
    {
        nb::gil_scoped_release released;
        made = pair_moments(entries, first, last);
    }
    return tuple_of(std::move(made));
}

template <class T>
void add_moments(nb::tuple block, std::int64_t first, std::int64_t last, Out<std::int32_t> counts, Out<double> sums,
                 Out<double> squares) {
    const Rows<T> rows(block);
    rows.check(first, last);
    const auto size = static_cast<std::size_t>(packed_start(rows.n_cols, rows.n_cols));
    if (counts.size() != size || sums.size() != size || squares.size() != size) {
        throw nb::value_error("the packed triangles do not fit the columns");
    }
    const auto entries = rows.entries();
    nb::gil_scoped_release released;
    add_pair_moments(entries, first, last, counts.data(), sums.data(), squares.data());
}

struct Held {
    In<std::int64_t> indptr;
    In<std::int32_t> indices;
    In<std::int32_t> counts;
    In<double> sums;
    In<double> squares;
    explicit Held(const nb::tuple& t)
        : indptr(nb::cast<In<std::int64_t>>(t[0], false)), indices(nb::cast<In<std::int32_t>>(t[1], false)),
          counts(nb::cast<In<std::int32_t>>(t[2], false)), sums(nb::cast<In<double>>(t[3], false)),
          squares(nb::cast<In<double>>(t[4], false)) {
        const std::size_t n = indices.size();
        if (indptr.size() == 0 || static_cast<std::size_t>(indptr.data()[indptr.size() - 1]) != n ||
            counts.size() != n || sums.size() != n || squares.size() != n) {
            throw nb::value_error("the arrays of a pair table disagree");
        }
    }
    PairView view() const {
        return {indptr.data(), indices.data(), counts.data(), sums.data(), squares.data()};
    }
};

nb::tuple merge(nb::tuple a, nb::tuple b, int sign) {
    const Held left(a), right(b);
    if (left.indptr.size() != right.indptr.size()) throw nb::value_error("the pair tables differ in columns");
    std::unique_ptr<PairTable> made;
    {
        nb::gil_scoped_release released;
        made = merge_pairs(left.view(), right.view(), static_cast<std::int64_t>(left.indptr.size()) - 1, sign);
    }
    return tuple_of(std::move(made));
}

}  // namespace

void define_pairs(nb::module_& m) {
    // by the dtype of the values: a tuple tells the overloads nothing
    m.def("pair_moments_f32", moments<float>);
    m.def("pair_moments_f64", moments<double>);
    m.def("add_pair_moments_f32", add_moments<float>);
    m.def("add_pair_moments_f64", add_moments<double>);
    m.def("merge_pairs", merge);
}
