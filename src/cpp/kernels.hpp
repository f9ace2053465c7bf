// What the instruction-set builds of the kernels offer to the Python module: plain structs and function pointers.
// Nothing here may emit code: this header is compiled several times with different processor flags.
#pragma once
#include <cstdint>

namespace halfseen {

enum class Family : int { gaussian = 0, bernoulli = 1, poisson = 2 };

// Some major rows of a compressed table. Entry arrays begin at entry indptr[0]; weights and offset may be null.
template <class T>
struct Entries {
    const std::int64_t* indptr;
    const std::int32_t* indices;
    const T* values;
    const T* weights;
    const T* offset;
    std::int64_t n_rows;
    std::int64_t n_cols;

    std::int64_t first(std::int64_t row) const { return indptr[row] - indptr[0]; }
    std::int64_t n_entries() const { return indptr[n_rows] - indptr[0]; }
};

// The linear predictor <A_i, B_j> + row_offset_i + col_offset_j (offsets may be null) and its loss.
template <class T>
struct Model {
    const T* A;
    const T* B;
    std::int64_t k;
    const T* row_offset;
    const T* col_offset;
    Family family;
    T trials;
};

// Outputs of a gradient or Hessian pass; each may be null. Rows are written, columns are added into.
template <class T>
struct Outputs {
    T* A;
    T* B;
    T* row;
    T* col;
};

template <class T>
struct Direction {
    const T* A;
    const T* B;
    const T* row;
    const T* col;
};

template <class T>
struct NewtonOptions {
    const T* ridge;        // (k,) or null
    const T* ridge_scale;  // (n_rows,) or null
    const T* prior_rhs;    // (k,) or null
    int steps;
    int max_halvings;
    int cg_steps;  // 0: Cholesky
};

// The conditional distribution of each row: data precision, and the prior N(mean, prior^-1) with pull = prior mean.
template <class T>
struct DrawOptions {
    T precision;
    const T* prior;  // (k, k), symmetric
    const T* pull;   // (k,)
    const T* noise;  // (n_rows, k), standard normal
};

struct NewtonResult {
    double value;
    std::int64_t n_failed;
};

template <class T>
struct Functions {
    double (*loss_and_gradient)(const Entries<T>&, const Model<T>&, const Outputs<T>&);
    void (*hessian_vector)(const Entries<T>&, const Model<T>&, const Direction<T>&, const Outputs<T>&);
    void (*at)(const Entries<T>&, const Model<T>&, T* out);
    void (*to_rows)(const Entries<T>&, const T* g, const T* B, std::int64_t k, T* out);
    void (*to_cols)(const Entries<T>&, const T* g, const T* A, std::int64_t k, T* out);
    void (*quadratic)(const Entries<T>&, const T* V, const T* B, std::int64_t k, T* out);
    void (*information)(const Entries<T>&, const Model<T>&, T* out, T* gradient);
    NewtonResult (*row_newton)(const Entries<T>&, const Model<T>&, const NewtonOptions<T>&, T* out);
    NewtonResult (*row_draws)(const Entries<T>&, const Model<T>&, const DrawOptions<T>&, T* out);
};

struct Build {
    const char* name;
    Functions<float> f32;
    Functions<double> f64;
};

// One per compiled instruction set; see CMakeLists.txt.
const Build& build_v4();
const Build& build_v3();
const Build& build_v2();
const Build& build_portable();

}  // namespace halfseen
