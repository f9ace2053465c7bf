"""The few hot loops: one pass over the observed entries, and one small Newton problem per row.

Each kernel exists twice with one contract: compiled (C++, tiled and vectorised, GIL-free, one thread) and as a
NumPy/SciPy twin. The compiled one is used where it was built; see :mod:`halfseen.kernels.backend`.

Not public: nothing here is among the names of ``halfseen``, and the numbers inside the arrays of ``Responses``,
``Derivatives`` and ``BoundedLines`` (and of ``Compressed.trusted``) are taken at their word, at the speed of memory.
``Compressed(...)`` and ``Observed(...)``, the public doors, look at every index once.
"""

from halfseen.kernels.arrowhead import Eliminated, eliminate
from halfseen.kernels.backend import backend_name
from halfseen.kernels.columns import gather_columns
from halfseen.kernels.coupling import coupled_columns, coupled_rows, curvatures
from halfseen.kernels.draws import row_draws
from halfseen.kernels.effects import FeatureColumns, effect_draws, shift_draws
from halfseen.kernels.moments import NormalMoments, normal_moments
from halfseen.kernels.newton import RowNewton, information, row_newton
from halfseen.kernels.own_nodes import BoundedLines, own_expectations
from halfseen.kernels.pairs import PairTable, add_pair_moments, merge_pairs, pair_moments
from halfseen.kernels.passes import at, hessian_vector, loss_and_gradient, quadratic, to_cols, to_rows
from halfseen.kernels.responses import Derivatives, Responses, response_expectations, response_pairs, response_scores

__all__ = [
    "BoundedLines",
    "Derivatives",
    "Eliminated",
    "FeatureColumns",
    "NormalMoments",
    "PairTable",
    "Responses",
    "RowNewton",
    "add_pair_moments",
    "at",
    "backend_name",
    "coupled_columns",
    "coupled_rows",
    "curvatures",
    "effect_draws",
    "eliminate",
    "gather_columns",
    "hessian_vector",
    "information",
    "loss_and_gradient",
    "merge_pairs",
    "normal_moments",
    "own_expectations",
    "pair_moments",
    "quadratic",
    "response_expectations",
    "response_pairs",
    "response_scores",
    "row_draws",
    "row_newton",
    "shift_draws",
    "to_cols",
    "to_rows",
]
