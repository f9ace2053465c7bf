"""A fit that ended at max_iter is taken up with a larger one."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs


def test_a_fit_that_ended_too_soon_goes_on_with_more_iterations(tmp_path):
    """A larger max_iter is the same fit, not another one: the ends are those of the uninterrupted fit, bit for bit."""
    rng = np.random.default_rng(0)
    table = hs.Observed.from_dense(np.where(rng.random((40, 12)) < 0.6, rng.normal(size=(40, 12)), np.nan))
    whole = hs.AlternatingLeastSquares(2, penalty=0.5, random_state=0).fit(table)
    hs.AlternatingLeastSquares(2, penalty=0.5, max_iter=3, random_state=0).fit(table, checkpoint=tmp_path)
    more = hs.AlternatingLeastSquares(2, penalty=0.5, random_state=0).fit(table, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(more.col_factors_, whole.col_factors_)
    with pytest.raises(ValueError, match="of another fit"):
        hs.AlternatingLeastSquares(3, penalty=0.5, random_state=0).fit(table, checkpoint=tmp_path, resume=True)
