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
    const T* ridge;        // (k,), (n_rows, k) where ridge_stride is k, or null
    const T* ridge_scale;  // (n_rows,) or null
    const T* prior_rhs;    // (k,) or null
    int steps;
    int max_halvings;
    int cg_steps;  // 0: Cholesky
    std::int64_t ridge_stride;  // 0: all rows have one ridge
};

// The conditional distribution of each row: data precision, and the prior N(mean, prior^-1) with pull = prior mean.
template <class T>
struct DrawOptions {
    T precision;
    const T* prior;            // (k, k), symmetric
    const T* pull;             // (k,), or (n_rows, k) where pull_stride is k
    std::int64_t pull_stride;  // 0: all rows have one prior mean
    const T* noise;            // (n_rows, k), standard normal
    const T* row_weights;      // (n_rows,) or null: of all entries of a row
    const T* col_weights;      // (n_cols,) or null: of all entries of a column
};

// Beside the draws; each may be null. Neither knows the precision or the row's weight.
template <class T>
struct DrawSums {
    double* squares;  // (n_rows,): sums of squared residuals at the draws
    T* gram;          // (n_rows, k, k): sum_e w_e b_e b_e'
    T* right;         // (n_rows, k): sum_e w_e b_e (y_e - offset_e)
};

// Features of rows, grouped by feature: entry e says that row indices[e] has values[e] (null: 1) * row_scale[row]
// (null: 1) of the feature.
template <class T>
struct FeatureTable {
    const std::int64_t* indptr;
    const std::int32_t* indices;
    const T* values;
    const T* row_scale;
    std::int64_t n_features;
    std::int64_t n_rows;
};

// Effects of features in coordinates in which both the rows' precision (diagonal) and the effects' (identity) are
// diagonal; arrays have k numbers in a row, of which first .. last are drawn.
template <class T>
struct EffectOptions {
    const T* precision;  // (k,), of the rows
    const T* mean;       // (k,), of the effects
    const T* noise;      // (n_features, k), standard normal
    std::int64_t k;
    std::int64_t first;
    std::int64_t last;
};

// Effects given the data, the rows' residual coefficients held fixed.
template <class T>
struct ShiftOptions {
    double precision;
    const double* prior;      // (k, k), of the effects
    const double* pull;       // (k,): prior mean
    const T* noise;           // (n_features, k), standard normal
    const T* row_weights;     // (n_rows,) or null
    const T* gram;            // (n_rows, k, k)
    std::int64_t k;
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
    void (*curvatures)(const Entries<T>&, const Model<T>&, T* curvature, T* residual);
    void (*coupled_columns)(const Entries<T>&, const Model<T>&, const T* dA, T* out, T* out_col);
    void (*coupled_rows)(const Entries<T>&, const Model<T>&, const T* dB, const T* d_col, T* out);
    NewtonResult (*row_draws)(const Entries<T>&, const Model<T>&, const DrawOptions<T>&, const DrawSums<T>&, T* out);
    void (*effect_draws)(const FeatureTable<T>&, const EffectOptions<T>&, T* residuals, T* effects);
    std::int64_t (*shift_draws)(const FeatureTable<T>&, const ShiftOptions<T>&, T* right, T* rows, T* effects);
};

// Answers to items, as lines of the items' tables of log-probabilities: classes of a whole table (255: not seen) to be
// added to each item's first line, or else the lines of the seen answers, those of a row in a stretch.
struct Responses {
    const std::uint8_t* answers;  // (n_rows, n_items), or null
    const std::int32_t* starts;   // (n_items,): first line of an item
    std::int64_t n_items;
    const std::int64_t* indptr;  // (n_rows + 1,), or null; lines begin at entry indptr[0]
    const std::int32_t* lines;
    std::int64_t n_rows;
    std::int64_t most;  // answers of the fullest row, at most
};

// What the rows of a table have in common: log-probabilities (n_lines, G) at G nodes and the nodes' log weights.
struct Nodes {
    const double* table;
    std::int64_t n_lines;
    std::int64_t n_nodes;        // a multiple of 8
    const double* log_weights;   // (n_groups, G)
    const double* positions;     // (G,), or null where neither tilts nor moments are wanted
    const std::int32_t* groups;  // (n_rows,), or null: all of group 0
    const double* tilt;          // (n_rows,), or null: tilt_i x_g is added to a row's log weights
    const double* frequency;     // (n_rows,), or null: 1
};

// Each may be null. The first three are written, the others are added into.
struct Expected {
    double* log_likelihood;  // (n_rows,)
    double* moments;         // (n_rows, 2): posterior means of x and x^2
    double* posterior;       // (n_rows, G)
    double* counts;          // (n_lines, G)
    double* mass;            // (n_groups, G)
};

// Derivatives of the log-probabilities: line l has count[l] of them, from row first[l] of the table on, with respect
// to the parameters target[l], target[l] + 1, ...
struct Derivatives {
    const double* table;  // (n_derivatives, G)
    const std::int32_t* first;
    const std::int32_t* count;
    const std::int32_t* target;
    std::int64_t n_parameters;
};

// Nodes of each row's own: x_s = mode_i + root_i t_s, with log weights log N(x_s; 0, I) - log N(t_s; 0, I) + log |root_i|
// + shares_s. Line l of an answer has the log-probability
// log s(<slope_l, x> + upper_l) + log s(-<slope_l, x> - lower_l) + constant_l; a bound of infinity is none.
struct OwnNodes {
    const double* points;    // (D, S)
    const double* shares;    // (S,), logarithms
    const double* modes;     // (n_rows, D)
    const double* roots;     // (n_rows, D, D), lower triangular
    const double* slopes;    // (n_lines, D)
    const double* upper;     // (n_lines,)
    const double* lower;     // (n_lines,)
    const double* constant;  // (n_lines,)
    const double* frequency;
    std::int64_t n_dims;
    std::int64_t n_nodes;  // a multiple of 8
};

// Each may be null; `sums` is added into, the others are written.
struct OwnExpected {
    double* log_likelihood;  // (n_rows,)
    double* mean;            // (n_rows, D)
    double* covariance;      // (n_rows, D, D)
    double* sums;            // (n_lines, D + 2): derivatives with respect to slope, upper and lower
    double* scores;          // (n_answers, D + 2): the same of each answer
};

struct ResponseFunctions {
    double (*expect)(const Responses&, const Nodes&, const Expected&);
    void (*scores)(const Responses&, const double* posterior, std::int64_t n_nodes, const Derivatives&, double* out);
    double (*own)(const Responses&, const OwnNodes&, const OwnExpected&);
    void (*pairs)(const Responses&, const double* posterior, std::int64_t n_nodes, const std::int32_t* place,
                  std::int64_t n_places, double* out);
};

// Normal distributions with the precisions scale_i H_i + diag(diagonal_i) and means scale_i C_i right_i.
struct NormalSystems {
    const double* lines;     // (n, k (k + 1) / 2): upper triangles of H, by rows
    const double* right;     // (n, k)
    const double* scale;     // (n,)
    const double* diagonal;  // (n, k), or (k,) where the stride is 0
    std::int64_t diagonal_stride;
    std::int64_t n;
    std::int64_t k;
};

struct Build {
    const char* name;
    Functions<float> f32;
    Functions<double> f64;
    ResponseFunctions responses;
    void (*normal_moments)(const NormalSystems&, double* mean, double* covariance);
};

// One per compiled instruction set; see CMakeLists.txt.
const Build& build_v4();
const Build& build_v3();
const Build& build_v2();
const Build& build_portable();

}  // namespace halfseen
