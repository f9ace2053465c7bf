"""Figures of ltm and R mirt on a published table of graded answers, to the digits given."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import halfseen as hs

# Answer patterns of 392 people to four statements on science and technology (Eurobarometer 38.1, 1992, Great Britain),
# classes 1 to 4, with how many gave them.
SCIENCE = """
1111:2 1321 1423 1431 2111 2124 2211 2222:4 2223:2 2231 2232 2233 2243 2313 2322:2 2323 2332:3 2333:3 2334:2 2341
2343:2 2421 2443:2 2444 3111 3113:2 3122:2 3123:4 3132:5 3133:5 3134:3 3143 3144 3212 3214 3221 3222:10 3223:7 3231
3232:16 3233:22 3234:5 3241 3242 3243:3 3244:2 3313:2 3321 3322:13 3323:10 3324:2 3331:5 3332:23 3333:52 3334:8 3342:7
3343:13 3344:12 3413 3423 3432:2 3433:4 3434:4 3441 3442 3443:6 3444:3 4114 4122 4124:2 4134 4221 4223:3 4233:8 4234:2
4242 4244 4323 4332:2 4333:21 4334:3 4342:2 4343:5 4344:8 4432 4433:2 4434:3 4442:2 4443:6 4444:12
"""


def science():
    """One row per pattern, and how many people gave it."""
    words = [word.partition(":") for word in SCIENCE.split()]
    return np.array([[float(c) for c in w[0]] for w in words]), np.array([float(w[2] or 1) for w in words])


@pytest.fixture(scope="module")
def graded():
    answers, people = science()
    return hs.ItemResponseModel("grm", item_prior="none").fit(answers, weights=people)


def test_graded_answers_are_fitted_as_by_ltm_and_mirt(graded):
    assert science()[1].sum() == 392
    assert graded.log_likelihood_ == pytest.approx(-1608.8694, abs=6e-5)
    np.testing.assert_allclose(graded.items_["slope"], [1.0406, 1.2258, 2.3006, 1.0938], atol=1.5e-4)
    found = graded.inference().overall_fit()
    assert (found.name, found.degrees) == ("C2", 2)
    assert found.statistic == pytest.approx(19.18, abs=6e-3)


def test_partial_credit_is_fitted_as_by_ltm_and_mirt():
    answers, people = science()
    model = hs.ItemResponseModel("gpcm", item_prior="none").fit(answers, weights=people)
    assert model.log_likelihood_ == pytest.approx(-1612.682, abs=6e-4)
    np.testing.assert_allclose(model.items_["slope"], [0.861, 0.840, 2.237, 0.720], atol=6e-4)
    assert model.inference().overall_fit().statistic == pytest.approx(enumerated(model, answers, people), rel=1e-5)


def enumerated(model, answers, people):
    """C2 from the chances of all 256 patterns, derivatives by differences."""
    fit = model.rows_fit_
    patterns = np.array(list(product(range(4), repeat=4)))
    j, k = np.triu_indices(4, 1)
    Z = np.hstack([patterns == c for c in (1, 2, 3)] + [patterns[:, j] * patterns[:, k]]).astype(float)
    weight = np.exp(fit.population.log_weights(fit.population_params, fit.grid)[0])

    def chances(free):
        items = fit.index.full(free)[: fit.layout.n_params]
        table = np.exp(fit.layout.table(items, fit.grid.nodes)).reshape(4, 4, -1)
        return np.prod([table[i, patterns[:, i]] for i in range(4)], axis=0) @ weight

    p = chances(fit.free)
    steps = 1e-5 * np.eye(len(fit.free))
    D = np.stack([(chances(fit.free + e) - chances(fit.free - e)) @ Z / 2e-5 for e in steps], axis=1)
    V = (Z * p[:, None]).T @ Z - np.outer(p @ Z, p @ Z)
    here = [int("".join(str(int(c) - 1) for c in row), 4) for row in answers]
    gap = people @ Z[here] / people.sum() - p @ Z
    inverse = np.linalg.inv(V)
    middle = inverse - inverse @ D @ np.linalg.inv(D.T @ inverse @ D) @ D.T @ inverse
    return people.sum() * gap @ middle @ gap
