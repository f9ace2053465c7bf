// The kernels over answers to items as the Python module offers them.
#include "module_responses.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <string>

namespace nb = nanobind;
using namespace halfseen;

namespace {

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<double, nb::c_contig, nb::device::cpu>;
template <class T>
using MaybeIn = std::optional<In<T>>;
using MaybeOut = std::optional<Out>;

template <class Array>
auto checked(const std::optional<Array>& array, std::size_t size, const char* name) {
    if (array && array->size() != size) throw nb::value_error((std::string(name) + " has the wrong size").c_str());
    return array ? array->data() : nullptr;
}

// The rows as the Python side passes them (kernels/responses.py): (answers, starts, indptr, lines, most).
struct Rows {
    MaybeIn<std::uint8_t> answers;
    MaybeIn<std::int32_t> starts;
    MaybeIn<std::int64_t> indptr;
    MaybeIn<std::int32_t> lines;
    std::int64_t most;

    explicit Rows(const nb::tuple& rows) : most(nb::cast<std::int64_t>(rows[4])) {
        if (rows[0].is_none()) {
            indptr = nb::cast<In<std::int64_t>>(rows[2], false);
            lines = nb::cast<In<std::int32_t>>(rows[3], false);
            if (indptr->size() == 0) throw nb::value_error("indptr is empty");
            const std::int64_t* p = indptr->data();
            const std::int64_t n = p[indptr->size() - 1] - p[0];
            if (n < 0 || lines->size() != static_cast<std::size_t>(n)) throw nb::value_error("indptr, lines disagree");
            return;
        }
        answers = nb::cast<In<std::uint8_t>>(rows[0], false);
        starts = nb::cast<In<std::int32_t>>(rows[1], false);
        if (answers->ndim() != 2 || starts->size() != answers->shape(1)) {
            throw nb::value_error("answers and starts disagree");
        }
    }
    Responses view() const {
        if (!answers) {
            const auto n = static_cast<std::int64_t>(indptr->size()) - 1;
            return {nullptr, nullptr, 0, indptr->data(), lines->data(), n, most};
        }
        const auto n = static_cast<std::int64_t>(answers->shape(0)), p = static_cast<std::int64_t>(answers->shape(1));
        return {answers->data(), starts->data(), p, nullptr, nullptr, n, p};
    }
};

std::int64_t nodes_of(const In<double>& table) {
    if (table.ndim() != 2 || table.shape(1) == 0 || table.shape(1) % 8) {
        throw nb::value_error("a table over nodes must have a multiple of 8 columns");
    }
    return static_cast<std::int64_t>(table.shape(1));
}

double expect(nb::tuple rows, In<double> table, In<double> log_weights, MaybeIn<double> positions,
              MaybeIn<std::int32_t> groups, MaybeIn<double> tilt, MaybeIn<double> frequency, MaybeOut log_likelihood,
              MaybeOut moments, MaybeOut posterior, MaybeOut counts, MaybeOut mass) {
    const Rows held(rows);
    const Responses view = held.view();
    const auto n = static_cast<std::size_t>(view.n_rows), G = static_cast<std::size_t>(nodes_of(table));
    if (log_weights.size() == 0 || log_weights.size() % G) throw nb::value_error("log_weights has the wrong size");
    if ((tilt || moments) && !positions) throw nb::value_error("tilts and moments need positions");
    const Nodes nodes{table.data(),
                      static_cast<std::int64_t>(table.shape(0)),
                      static_cast<std::int64_t>(G),
                      log_weights.data(),
                      checked(positions, G, "positions"),
                      checked(groups, n, "groups"),
                      checked(tilt, n, "tilt"),
                      checked(frequency, n, "frequency")};
    const Expected out{checked(log_likelihood, n, "log_likelihood"), checked(moments, 2 * n, "moments"),
                       checked(posterior, n * G, "posterior"), checked(counts, table.size(), "counts"),
                       checked(mass, log_weights.size(), "mass")};
    nb::gil_scoped_release released;
    return chosen_build().responses.expect(view, nodes, out);
}

void scores(nb::tuple rows, In<double> posterior, In<double> derivatives, In<std::int32_t> first,
            In<std::int32_t> count, In<std::int32_t> target, Out out) {
    const Rows held(rows);
    const Responses view = held.view();
    const std::int64_t G = nodes_of(derivatives);
    if (posterior.size() != static_cast<std::size_t>(view.n_rows * G)) {
        throw nb::value_error("posterior has the wrong size");
    }
    if (out.ndim() != 2 || static_cast<std::int64_t>(out.shape(0)) != view.n_rows) {
        throw nb::value_error("out has the wrong shape");
    }
    const Derivatives d{derivatives.data(), first.data(), count.data(), target.data(),
                        static_cast<std::int64_t>(out.shape(1))};
    double* to = out.data();
    nb::gil_scoped_release released;
    chosen_build().responses.scores(view, posterior.data(), G, d, to);
}

double own(nb::tuple rows, In<double> points, In<double> shares, In<double> modes, In<double> roots, nb::tuple lines,
           MaybeIn<double> frequency, MaybeOut log_likelihood, MaybeOut mean, MaybeOut covariance, MaybeOut sums,
           MaybeOut answer_scores) {
    const Rows held(rows);
    const Responses view = held.view();
    const auto n = static_cast<std::size_t>(view.n_rows), S = static_cast<std::size_t>(nodes_of(points));
    const std::size_t D = points.shape(0);
    const auto slopes = nb::cast<In<double>>(lines[0], false), upper = nb::cast<In<double>>(lines[1], false),
               lower = nb::cast<In<double>>(lines[2], false), constant = nb::cast<In<double>>(lines[3], false);
    const std::size_t L = upper.size();
    if (shares.size() != S || modes.size() != n * D || roots.size() != n * D * D || slopes.size() != L * D || lower.size() != L ||
        constant.size() != L) {
        throw nb::value_error("points, modes, roots and lines disagree");
    }
    const OwnNodes nodes{points.data(),   shares.data(), modes.data(), roots.data(),
                         slopes.data(),   upper.data(),  lower.data(),
                         constant.data(), checked(frequency, n, "frequency"),
                         static_cast<std::int64_t>(D), static_cast<std::int64_t>(S)};
    const OwnExpected out{checked(log_likelihood, n, "log_likelihood"), checked(mean, n * D, "mean"),
                          checked(covariance, n * D * D, "covariance"), checked(sums, L * (D + 2), "sums"),
                          answer_scores ? answer_scores->data() : nullptr};
    if (answer_scores && answer_scores->ndim() != 2) throw nb::value_error("scores must be a table");
    nb::gil_scoped_release released;
    return chosen_build().responses.own(view, nodes, out);
}

void pairs(nb::tuple rows, In<double> weights, In<std::int32_t> place, Out out) {
    const Rows held(rows);
    const Responses view = held.view();
    const std::int64_t G = nodes_of(weights);
    if (static_cast<std::int64_t>(weights.shape(0)) != view.n_rows) throw nb::value_error("weights has the wrong size");
    if (out.ndim() != 3 || out.shape(0) != out.shape(1) || static_cast<std::int64_t>(out.shape(2)) != G) {
        throw nb::value_error("out has the wrong shape");
    }
    const auto n = static_cast<std::int64_t>(out.shape(0));
    for (std::size_t line = 0; line < place.size(); ++line) {
        if (place.data()[line] < 0 || place.data()[line] >= n) throw nb::value_error("place is outside of out");
    }
    double* to = out.data();
    nb::gil_scoped_release released;
    chosen_build().responses.pairs(view, weights.data(), G, place.data(), n, to);
}

}  // namespace

void define_responses(nb::module_& m) {
    const auto no = nb::arg().noconvert();
    const auto none = nb::arg().noconvert().none();
    m.def("response_expect", expect, no, no, no, none, none, none, none, none, none, none, none, none);
    m.def("response_scores", scores, no, no, no, no, no, no, no);
    m.def("response_pairs", pairs, no, no, no, no);
    m.def("own_expect", own, no, no, no, no, no, no, none, none, none, none, none, none);
}
