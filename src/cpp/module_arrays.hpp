// How the Python side hands arrays over: shared by the files that bind kernels.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace nb = nanobind;
using namespace halfseen;

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

template <class T>
using MaybeIn = std::optional<In<T>>;
template <class T>
using MaybeOut = std::optional<Out<T>>;

template <class T>
const T* pointer(const std::optional<In<T>>& array, std::size_t size, const char* name) {
    if (!array) return nullptr;
    if (array->size() != size) throw nb::value_error((std::string(name) + " has the wrong size").c_str());
    return array->data();
}

template <class T>
T* pointer(const std::optional<Out<T>>& array, std::size_t size, const char* name) {
    if (!array) return nullptr;
    if (array->size() != size) throw nb::value_error((std::string(name) + " has the wrong size").c_str());
    return array->data();
}

// The block as the Python side passes it (kernels/arguments.py): arrays are held here while the GIL is away.
template <class T>
class Table {
public:
    explicit Table(const nb::tuple& block)
        : indptr_(nb::cast<In<std::int64_t>>(block[0], false)), values_(nb::cast<In<T>>(block[2], false)),
          weights_(optional(block[3])), offset_(optional(block[4])), n_cols_(nb::cast<std::int64_t>(block[5])) {
        if (indptr_.size() == 0) throw nb::value_error("indptr is empty");
        const std::int64_t n = indptr_.data()[indptr_.size() - 1] - indptr_.data()[0];
        if (n < 0 || values_.size() != static_cast<std::size_t>(n)) throw nb::value_error("indptr and values disagree");
        take_indices(block[1]);
        if (n_indices_ != values_.size()) throw nb::value_error("indices and values disagree");
    }

    Entries<T> entries() const {
        const std::size_t n = values_.size();
        return {indptr_.data(), indices_, values_.data(), pointer<T>(weights_, n, "weights"),
                pointer<T>(offset_, n, "offset"), static_cast<std::int64_t>(indptr_.size()) - 1, n_cols_};
    }
    std::size_t n_rows() const { return indptr_.size() - 1; }
    std::size_t n_cols() const { return static_cast<std::size_t>(n_cols_); }
    std::size_t n_entries() const { return values_.size(); }

private:
    static std::optional<In<T>> optional(const nb::handle& item) {
        if (item.is_none()) return std::nullopt;
        return nb::cast<In<T>>(item, false);
    }

    // The kernels read int32. int64 indices (an axis beyond 2^31) are copied; such a table's factors alone take
    // more than that copy.
    void take_indices(const nb::handle& item) {
        if (nb::isinstance<In<std::int32_t>>(item)) {
            narrow_ = nb::cast<In<std::int32_t>>(item, false);
            indices_ = narrow_->data();
            n_indices_ = narrow_->size();
            return;
        }
        const auto wide = nb::cast<In<std::int64_t>>(item, false);
        n_indices_ = wide.size();
        copied_.resize(n_indices_);
        for (std::size_t e = 0; e < n_indices_; ++e) {
            if (wide.data()[e] > INT32_MAX) throw nb::value_error("a column index beyond 2^31 has no kernel");
            copied_[e] = static_cast<std::int32_t>(wide.data()[e]);
        }
        indices_ = copied_.data();
    }

    In<std::int64_t> indptr_;
    In<T> values_;
    std::optional<In<T>> weights_, offset_;
    std::int64_t n_cols_;
    std::optional<In<std::int32_t>> narrow_;
    std::vector<std::int32_t> copied_;
    const std::int32_t* indices_ = nullptr;
    std::size_t n_indices_ = 0;
};
