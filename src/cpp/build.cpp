// Compiled once per instruction set: HALFSEEN_SPACE names the build's own name space, HALFSEEN_BUILD its name.
#include "coupling.hpp"
#include "draws.hpp"
#include "effects.hpp"
#include "moments.hpp"
#include "newton.hpp"
#include "own_nodes.hpp"
#include "passes.hpp"
#include "responses.hpp"

#define HALFSEEN_TEXT_(x) #x
#define HALFSEEN_TEXT(x) HALFSEEN_TEXT_(x)
#define HALFSEEN_JOIN_(a, b) a##b
#define HALFSEEN_JOIN(a, b) HALFSEEN_JOIN_(a, b)

namespace HALFSEEN_SPACE {

template <class T>
halfseen::Functions<T> functions() {
    return {loss_and_gradient<T>, hessian_vector<T>, at<T>,              to_rows<T>,      to_cols<T>,
            quadratic<T>,         information<T>,    row_newton<T>,      curvatures<T>,   coupled_columns<T>,
            coupled_rows<T>,      row_draws<T>,      effect_draws<T>,    shift_draws<T>};
}

}  // namespace HALFSEEN_SPACE

namespace halfseen {

const Build& HALFSEEN_JOIN(build_, HALFSEEN_BUILD)() {
    static const Build build{HALFSEEN_TEXT(HALFSEEN_BUILD), HALFSEEN_SPACE::functions<float>(),
                             HALFSEEN_SPACE::functions<double>(), {HALFSEEN_SPACE::expect, HALFSEEN_SPACE::response_scores, HALFSEEN_SPACE::own_expect, HALFSEEN_SPACE::response_pairs},
                             HALFSEEN_SPACE::normal_moments};
    return build;
}

}  // namespace halfseen
