// The Python module: unpack arrays, leave the GIL, call the build chosen for this processor.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "arrowhead.hpp"
#include "columns.hpp"
#include "kernels.hpp"
#include "module_arrays.hpp"
#include "module_draws.hpp"
#include "module_pairs.hpp"
#include "module_responses.hpp"

namespace nb = nanobind;
using namespace halfseen;

namespace {

struct Candidate {
    const char* name;
    bool (*supported)();
    const Build& (*build)();
};

bool always() { return true; }

// Best first; the plain build, which any processor of the platform runs, is last.
const std::vector<Candidate>& candidates() {
    static const std::vector<Candidate> all = {
#ifdef HALFSEEN_X86_V4
        {"v4", [] { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512vl"); }, build_v4},
#endif
#ifdef HALFSEEN_X86_V3
        {"v3", [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"); }, build_v3},
#endif
#ifdef HALFSEEN_X86_V2
        {"v2", [] { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }, build_v2},
#endif
        {"portable", always, build_portable},
    };
    return all;
}

std::vector<std::string> available() {
    std::vector<std::string> names;
    for (const auto& c : candidates()) {
        if (c.supported()) names.emplace_back(c.name);
    }
    return names;
}

const Build* current = nullptr;

void use_isa(const std::string& name) {
    for (const auto& c : candidates()) {
        if ((name.empty() || name == c.name) && c.supported()) {
            current = &c.build();
            return;
        }
    }
    throw nb::value_error(("HALFSEEN_ISA='" + name + "' is not available on this processor").c_str());
}

template <class T>
const Functions<T>& functions() {
    if constexpr (std::is_same_v<T, float>) {
        return current->f32;
    } else {
        return current->f64;
    }
}

template <class T>
Model<T> model_of(const Table<T>& t, const In<T>& A, const In<T>& B, int family, double trials,
                  const MaybeIn<T>& row_offset, const MaybeIn<T>& col_offset) {
    if (A.ndim() != 2 || B.ndim() != 2 || A.shape(1) != B.shape(1) || A.shape(0) != t.n_rows() ||
        B.shape(0) != t.n_cols()) {
        throw nb::value_error("factors do not fit the table");
    }
    if (family < 0 || family > 2) throw nb::value_error("unknown family");
    return {A.data(), B.data(), static_cast<std::int64_t>(B.shape(1)), pointer<T>(row_offset, t.n_rows(), "row_offset"),
            pointer<T>(col_offset, t.n_cols(), "col_offset"), static_cast<Family>(family), static_cast<T>(trials)};
}

template <class T>
double loss_and_gradient(nb::tuple block, In<T> A, In<T> B, int family, double trials, MaybeIn<T> row_offset,
                         MaybeIn<T> col_offset, MaybeOut<T> grad_A, MaybeOut<T> grad_B, MaybeOut<T> grad_row,
                         MaybeOut<T> grad_col) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, family, trials, row_offset, col_offset);
    const Outputs<T> out{pointer<T>(grad_A, A.size(), "grad_A"), pointer<T>(grad_B, B.size(), "grad_B"),
                         pointer<T>(grad_row, table.n_rows(), "grad_row"),
                         pointer<T>(grad_col, table.n_cols(), "grad_col")};
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    return functions<T>().loss_and_gradient(entries, model, out);
}

template <class T>
void hessian_vector(nb::tuple block, In<T> A, In<T> B, In<T> dA, In<T> dB, int family, double trials,
                    MaybeIn<T> row_offset, MaybeIn<T> col_offset, MaybeIn<T> d_row, MaybeIn<T> d_col, Out<T> out_A,
                    Out<T> out_B, MaybeOut<T> out_row, MaybeOut<T> out_col) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, family, trials, row_offset, col_offset);
    const auto [n, p] = std::pair(table.n_rows(), table.n_cols());
    const Direction<T> d{pointer<T>(MaybeIn<T>(dA), A.size(), "dA"), pointer<T>(MaybeIn<T>(dB), B.size(), "dB"),
                         pointer<T>(d_row, n, "d_row"), pointer<T>(d_col, p, "d_col")};
    const Outputs<T> out{pointer<T>(MaybeOut<T>(out_A), A.size(), "out_A"),
                         pointer<T>(MaybeOut<T>(out_B), B.size(), "out_B"), pointer<T>(out_row, n, "out_row"),
                         pointer<T>(out_col, p, "out_col")};
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().hessian_vector(entries, model, d, out);
}

template <class T>
void curvatures(nb::tuple block, In<T> A, In<T> B, int family, double trials, MaybeIn<T> row_offset,
                MaybeIn<T> col_offset, Out<T> curvature, Out<T> residual) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, family, trials, row_offset, col_offset);
    T* w = pointer<T>(MaybeOut<T>(curvature), table.n_entries(), "curvature");
    T* g = pointer<T>(MaybeOut<T>(residual), table.n_entries(), "residual");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().curvatures(entries, model, w, g);
}

template <class T>
void coupled_columns(nb::tuple block, In<T> A, In<T> B, In<T> dA, Out<T> out_B, MaybeOut<T> out_col) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, 0, 1.0, MaybeIn<T>(), MaybeIn<T>());
    const T* move = pointer<T>(MaybeIn<T>(dA), A.size(), "dA");
    T* to = pointer<T>(MaybeOut<T>(out_B), B.size(), "out_B");
    T* sums = pointer<T>(out_col, table.n_cols(), "out_col");
    const auto entries = table.entries();
    if (!entries.weights) throw nb::value_error("the table has no residuals");
    nb::gil_scoped_release released;
    functions<T>().coupled_columns(entries, model, move, to, sums);
}

template <class T>
void coupled_rows(nb::tuple block, In<T> A, In<T> B, In<T> dB, MaybeIn<T> d_col, Out<T> out_A) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, 0, 1.0, MaybeIn<T>(), MaybeIn<T>());
    const T* move = pointer<T>(MaybeIn<T>(dB), B.size(), "dB");
    const T* shift = pointer<T>(d_col, table.n_cols(), "d_col");
    T* to = pointer<T>(MaybeOut<T>(out_A), A.size(), "out_A");
    const auto entries = table.entries();
    if (!entries.weights) throw nb::value_error("the table has no residuals");
    nb::gil_scoped_release released;
    functions<T>().coupled_rows(entries, model, move, shift, to);
}

template <class T>
void at(nb::tuple block, In<T> A, In<T> B, MaybeIn<T> row_offset, MaybeIn<T> col_offset, Out<T> out) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, 0, 1.0, row_offset, col_offset);
    T* to = pointer<T>(MaybeOut<T>(out), table.n_entries(), "out");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().at(entries, model, to);
}

template <class T>
void to_rows(nb::tuple block, In<T> g, In<T> B, Out<T> out) {
    const Table<T> table(block);
    const std::size_t k = B.ndim() == 2 ? B.shape(1) : 0;
    const T* numbers = pointer<T>(MaybeIn<T>(g), table.n_entries(), "g");
    const T* factor = pointer<T>(MaybeIn<T>(B), table.n_cols() * k, "B");
    T* to = pointer<T>(MaybeOut<T>(out), table.n_rows() * k, "out");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().to_rows(entries, numbers, factor, static_cast<std::int64_t>(k), to);
}

template <class T>
void to_cols(nb::tuple block, In<T> g, In<T> A, Out<T> out) {
    const Table<T> table(block);
    const std::size_t k = A.ndim() == 2 ? A.shape(1) : 0;
    const T* numbers = pointer<T>(MaybeIn<T>(g), table.n_entries(), "g");
    const T* factor = pointer<T>(MaybeIn<T>(A), table.n_rows() * k, "A");
    T* to = pointer<T>(MaybeOut<T>(out), table.n_cols() * k, "out");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().to_cols(entries, numbers, factor, static_cast<std::int64_t>(k), to);
}

template <class T>
void quadratic(nb::tuple block, In<T> V, In<T> B, Out<T> out) {
    const Table<T> table(block);
    const std::size_t k = B.ndim() == 2 ? B.shape(1) : 0;
    const T* forms = pointer<T>(MaybeIn<T>(V), table.n_rows() * k * k, "V");
    const T* factor = pointer<T>(MaybeIn<T>(B), table.n_cols() * k, "B");
    T* to = pointer<T>(MaybeOut<T>(out), table.n_entries(), "out");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().quadratic(entries, forms, factor, static_cast<std::int64_t>(k), to);
}

template <class T>
void information(nb::tuple block, In<T> A, In<T> B, int family, double trials, MaybeIn<T> row_offset,
                 MaybeIn<T> col_offset, Out<T> out, MaybeOut<T> gradient) {
    const Table<T> table(block);
    const auto model = model_of(table, A, B, family, trials, row_offset, col_offset);
    T* to = pointer<T>(MaybeOut<T>(out), A.size() * B.shape(1), "out");
    T* slope = pointer<T>(gradient, A.size(), "gradient");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    functions<T>().information(entries, model, to, slope);
}

template <class T>
std::pair<double, std::int64_t> row_newton(nb::tuple block, In<T> X, In<T> B, int family, double trials,
                                           MaybeIn<T> col_offset, MaybeIn<T> ridge, MaybeIn<T> ridge_scale,
                                           MaybeIn<T> prior_rhs, int steps, int max_halvings, int cg_steps,
                                           Out<T> out) {
    const Table<T> table(block);
    const auto model = model_of(table, X, B, family, trials, MaybeIn<T>(), col_offset);
    const std::size_t k = B.shape(1);
    const bool has_own = ridge && ridge->ndim() == 2;
    const NewtonOptions<T> options{pointer<T>(ridge, has_own ? table.n_rows() * k : k, "ridge"),
                                   pointer<T>(ridge_scale, table.n_rows(), "ridge_scale"),
                                   pointer<T>(prior_rhs, k, "prior_rhs"), steps, max_halvings, cg_steps,
                                   has_own ? static_cast<std::int64_t>(k) : 0};
    T* to = pointer<T>(MaybeOut<T>(out), X.size(), "out");
    const auto entries = table.entries();
    nb::gil_scoped_release released;
    const auto result = functions<T>().row_newton(entries, model, options, to);
    return {result.value, result.n_failed};
}

template <class T>
void gather(nb::tuple block, std::int64_t first, std::int64_t last, In<std::int64_t> starts, Out<std::int32_t> rows,
            Out<T> values, MaybeOut<T> weights) {
    const Table<T> table(block);
    if (first < 0 || last < first || static_cast<std::size_t>(last) > table.n_cols() ||
        starts.size() != static_cast<std::size_t>(last - first) + 1) {
        throw nb::value_error("columns and starts disagree");
    }
    const auto n = static_cast<std::size_t>(starts.data()[last - first]);
    if (rows.size() != n || values.size() != n) throw nb::value_error("starts and out disagree");
    T* to = pointer<T>(weights, n, "weights");
    const auto entries = table.entries();
    if (to && !entries.weights) throw nb::value_error("the table has no weights");
    nb::gil_scoped_release released;
    gather_columns(entries, first, last, starts.data(), rows.data(), values.data(), to);
}

void eliminate(In<double> H, In<double> g, std::int64_t kept, double diagonal, Out<double> schur, Out<double> right,
               Out<double> turn, Out<double> own) {
    if (g.ndim() != 2) throw nb::value_error("right sides must be (n, k)");
    const std::size_t n = g.shape(0), k = g.shape(1), first = static_cast<std::size_t>(kept);
    if (kept < 0 || first > k || H.size() != n * k * k) throw nb::value_error("systems and right sides disagree");
    const Eliminated out{pointer<double>(MaybeOut<double>(schur), n * first * first, "schur"),
                         pointer<double>(MaybeOut<double>(right), n * first, "right"),
                         pointer<double>(MaybeOut<double>(turn), n * (k - first) * first, "turn"),
                         pointer<double>(MaybeOut<double>(own), n * (k - first), "own")};
    nb::gil_scoped_release released;
    eliminate_rest(H.data(), g.data(), static_cast<std::int64_t>(n), static_cast<std::int64_t>(k), kept, diagonal, out);
}

void normal_moments(In<double> lines, In<double> right, In<double> scale, In<double> diagonal, Out<double> mean,
                    Out<double> covariance) {
    if (right.ndim() != 2) throw nb::value_error("right sides must be (n, k)");
    const std::size_t n = right.shape(0), k = right.shape(1);
    const bool is_common = diagonal.ndim() == 1;
    const NormalSystems systems{pointer<double>(MaybeIn<double>(lines), n * k * (k + 1) / 2, "lines"),
                                right.data(),
                                pointer<double>(MaybeIn<double>(scale), n, "scale"),
                                pointer<double>(MaybeIn<double>(diagonal), is_common ? k : n * k, "diagonal"),
                                is_common ? 0 : static_cast<std::int64_t>(k),
                                static_cast<std::int64_t>(n),
                                static_cast<std::int64_t>(k)};
    double* to = pointer<double>(MaybeOut<double>(mean), n * k, "mean");
    double* spread = pointer<double>(MaybeOut<double>(covariance), n * k * k, "covariance");
    nb::gil_scoped_release released;
    current->normal_moments(systems, to, spread);
}

template <class T>
void define(nb::module_& m) {
    const auto no = nb::arg().noconvert();
    const auto none = nb::arg().noconvert().none();
    m.def("loss_and_gradient", loss_and_gradient<T>, no, no, no, no, nb::arg(), none, none, none, none, none, none);
    m.def("hessian_vector", hessian_vector<T>, no, no, no, no, no, no, nb::arg(), none, none, none, none, no, no, none,
          none);
    m.def("curvatures", curvatures<T>, no, no, no, no, nb::arg(), none, none, no, no);
    m.def("coupled_columns", coupled_columns<T>, no, no, no, no, no, none);
    m.def("coupled_rows", coupled_rows<T>, no, no, no, no, none, no);
    m.def("at", at<T>, no, no, no, none, none, no);
    m.def("to_rows", to_rows<T>, no, no, no, no);
    m.def("to_cols", to_cols<T>, no, no, no, no);
    m.def("quadratic", quadratic<T>, no, no, no, no);
    m.def("information", information<T>, no, no, no, no, nb::arg(), none, none, no, none);
    m.def("gather_columns", gather<T>, no, nb::arg(), nb::arg(), no, no, no, none);
    m.def("row_newton", row_newton<T>, no, no, no, no, nb::arg(), none, none, none, none, no, no, no, no);
}

}  // namespace

const Build& chosen_build() { return *current; }

NB_MODULE(_native, m) {
    use_isa("");
    define<float>(m);
    define<double>(m);
    define_draws(m);
    define_pairs(m);
    define_responses(m);
    const auto no = nb::arg().noconvert();
    m.def("eliminate", eliminate, no, no, nb::arg(), nb::arg(), no, no, no, no);
    m.def("normal_moments", normal_moments, no, no, no, no, no, no);
    m.def("available_isas", available);
    m.def("current_isa", [] { return std::string(current->name); });
    m.def("use_isa", use_isa);
}
