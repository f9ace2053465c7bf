// The kernels of Gibbs samplers as the Python module offers them: draws of rows, and of the effects of their features.
#include "module_draws.hpp"

#include <nanobind/stl/pair.h>

#include <type_traits>
#include <utility>

#include "module_arrays.hpp"
#include "module_pairs.hpp"
#include "module_responses.hpp"

namespace {

template <class T>
const Functions<T>& functions() {
    if constexpr (std::is_same_v<T, float>) {
        return chosen_build().f32;
    } else {
        return chosen_build().f64;
    }
}

template <class T>
std::pair<double, std::int64_t> row_draws(nb::tuple block, In<T> B, MaybeIn<T> col_offset, double precision,
                                          In<T> prior, In<T> pull, In<T> noise, MaybeIn<T> row_weights,
                                          MaybeIn<T> col_weights, Out<T> out, MaybeOut<double> squares,
                                          MaybeOut<T> gram, MaybeOut<T> right) {
    const Table<T> table(block);
    if (B.ndim() != 2 || B.shape(0) != table.n_cols()) throw nb::value_error("B does not fit the table");
    const std::size_t n = table.n_rows(), k = B.shape(1);
    const Model<T> model{nullptr, B.data(), static_cast<std::int64_t>(k), nullptr,
                         pointer<T>(col_offset, table.n_cols(), "col_offset"), Family::gaussian, T(1)};
    const bool is_common = pull.ndim() == 1;
    const DrawOptions<T> options{static_cast<T>(precision), pointer<T>(MaybeIn<T>(prior), k * k, "prior"),
                                 pointer<T>(MaybeIn<T>(pull), is_common ? k : n * k, "pull"),
                                 is_common ? 0 : static_cast<std::int64_t>(k),
                                 pointer<T>(MaybeIn<T>(noise), n * k, "noise"),
                                 pointer<T>(row_weights, n, "row_weights"),
                                 pointer<T>(col_weights, table.n_cols(), "col_weights")};
    const DrawSums<T> sums{pointer<double>(squares, n, "squares"), pointer<T>(gram, n * k * k, "gram"),
                           pointer<T>(right, n * k, "right")};
    T* to = pointer<T>(MaybeOut<T>(out), n * k, "out");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    const auto result = functions<T>().row_draws(entries, model, options, sums, to);
    return {result.value, result.n_failed};
}

template <class T>
FeatureTable<T> features_of(const In<std::int64_t>& indptr, const In<std::int32_t>& indices, const MaybeIn<T>& values,
                            const MaybeIn<T>& row_scale, std::size_t n_rows) {
    if (indptr.size() == 0) throw nb::value_error("indptr is empty");
    const std::int64_t last = static_cast<std::int64_t>(indptr.size()) - 1;
    if (indptr.data()[0] != 0 || static_cast<std::size_t>(indptr.data()[last]) != indices.size()) {
        throw nb::value_error("indptr and indices disagree");
    }
    return {indptr.data(), indices.data(), pointer<T>(values, indices.size(), "values"),
            pointer<T>(row_scale, n_rows, "row_scale"), last, static_cast<std::int64_t>(n_rows)};
}

template <class T>
void effect_draws(In<std::int64_t> indptr, In<std::int32_t> indices, MaybeIn<T> values, MaybeIn<T> row_scale,
                  In<T> precision, In<T> mean, In<T> noise, std::int64_t first, std::int64_t last, Out<T> residuals,
                  Out<T> effects) {
    const std::size_t k = precision.size();
    if (residuals.ndim() != 2 || residuals.shape(1) != k) throw nb::value_error("residuals and precision disagree");
    if (first < 0 || last < first || static_cast<std::size_t>(last) > k) throw nb::value_error("no such coordinates");
    const auto table = features_of<T>(indptr, indices, values, row_scale, residuals.shape(0));
    const std::size_t size = static_cast<std::size_t>(table.n_features) * k;
    const EffectOptions<T> options{precision.data(), pointer<T>(MaybeIn<T>(mean), k, "mean"),
                                   pointer<T>(MaybeIn<T>(noise), size, "noise"), static_cast<std::int64_t>(k), first,
                                   last};
    T *left = residuals.data(), *to = pointer<T>(MaybeOut<T>(effects), size, "effects");
    nb::gil_scoped_release released;
    functions<T>().effect_draws(table, options, left, to);
}

template <class T>
std::int64_t shift_draws(In<std::int64_t> indptr, In<std::int32_t> indices, MaybeIn<T> values, MaybeIn<T> row_scale,
                         double precision, In<double> prior, In<double> pull, In<T> noise, MaybeIn<T> row_weights,
                         In<T> gram, Out<T> right, Out<T> rows, Out<T> effects) {
    const std::size_t k = pull.size();
    if (rows.ndim() != 2 || rows.shape(1) != k) throw nb::value_error("rows and pull disagree");
    const std::size_t n = rows.shape(0);
    const auto table = features_of<T>(indptr, indices, values, row_scale, n);
    const std::size_t size = static_cast<std::size_t>(table.n_features) * k;
    const ShiftOptions<T> options{precision,
                                  pointer<double>(MaybeIn<double>(prior), k * k, "prior"),
                                  pull.data(),
                                  pointer<T>(MaybeIn<T>(noise), size, "noise"),
                                  pointer<T>(row_weights, n, "row_weights"),
                                  pointer<T>(MaybeIn<T>(gram), n * k * k, "gram"),
                                  static_cast<std::int64_t>(k)};
    T *held = pointer<T>(MaybeOut<T>(right), n * k, "right"), *v = rows.data();
    T* to = pointer<T>(MaybeOut<T>(effects), size, "effects");
    nb::gil_scoped_release released;
    return functions<T>().shift_draws(table, options, held, v, to);
}

template <class T>
void define(nb::module_& m) {
    const auto no = nb::arg().noconvert();
    const auto none = nb::arg().noconvert().none();
    m.def("row_draws", row_draws<T>, no, no, none, nb::arg(), no, no, no, none, none, no, none, none, none);
    m.def("effect_draws", effect_draws<T>, no, no, none, none, no, no, no, nb::arg(), nb::arg(), no, no);
    m.def("shift_draws", shift_draws<T>, no, no, none, none, nb::arg(), no, no, no, none, no, no, no, no);
}

}  // namespace

void define_draws(nb::module_& m) {
    define<float>(m);
    define<double>(m);
}
