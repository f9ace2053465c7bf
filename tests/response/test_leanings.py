"""What one common factor leaves of each row's mean: estimates against loops, the model's own tables, and misfit."""

from __future__ import annotations

import numpy as np
import pytest
from response_tables import simulated
from scipy.special import expit

import halfseen as hs
from halfseen.methods.response import board
from halfseen.methods.response.fitting import fit_random
from halfseen.methods.response.leanings import RowLeanings, row_leanings, shrunk, within_reach
from halfseen.methods.response.leaveout import left_out
from halfseen.methods.response.likelihood import MarginalLikelihood
from halfseen.methods.response.table import SeenAnswers


def strayed(seed, n=50, p=400, share=0.4):
    """Two columns in five say nothing of the factor that the others share, but of another one of each row."""
    rng = np.random.default_rng(seed)
    x, other = rng.normal(size=n), rng.normal(size=n)
    is_flat = rng.random(p) < 0.4
    y = np.where(is_flat, 0.0, rng.uniform(1.0, 3.0, p))
    m = 0.3 + rng.normal(size=p) + y * x[:, None] + is_flat * other[:, None]
    answers = (rng.random((n, p)) < expit(m)).astype(float)
    return answers, np.where(rng.random((n, p)) < share, answers, np.nan)


def fit_of(table, is_sloped=True):
    R = hs.Observed.from_dense(table)
    return fit_random(SeenAnswers.of(R, np.asarray(R.values, dtype=float)), is_sloped, False, 1e-8)


class TestEstimates:
    def test_means_at_the_nodes_are_those_without_the_answer(self):
        fit = fit_of(simulated(7, 8, 0.8, slope=0.4, seed=6).observed.to_dense())

        def values(found):
            y = found.y[:, None, :]
            return y, found.mean * (1 - found.mean) * y

        found = left_out(fit.problem, fit.at, values)
        table = fit.problem.table
        for e in (0, 11, 20):
            rest = table.select(np.arange(len(table.rows)) != e)
            (part,) = MarginalLikelihood(rest, fit.problem.nodes, True, 1.3).posteriors(fit.at)
            i, j = table.rows[e], table.cols[e]
            slopes = part.y[0] if part.is_shared else part.y[j]
            chance = part.mean[0, i] if part.is_shared else part.mean[j, i]
            assert found[0, e] == pytest.approx(part.chance[j] @ slopes, abs=1e-10)
            assert found[1, e] == pytest.approx(part.chance[j] @ (chance * (1 - chance) * slopes), abs=1e-10)

    def test_they_are_those_of_plain_loops(self):
        fit = fit_of(strayed(0)[1])
        table = fit.problem.table
        slope, gain = left_out(
            fit.problem, fit.at, lambda f: (f.y[:, None, :], f.mean * (1 - f.mean) * f.y[:, None, :])
        )
        d, v = [], []
        for i in range(50):
            mine = np.flatnonzero(table.rows == i).tolist()
            c = sum(gain[e] for e in mine) / sum(slope[e] * gain[e] for e in mine)
            d.append(sum((1 - c * slope[e]) * (table.shares[e] - fit.chances[e]) for e in mine) / len(mine))
            v.append(
                sum((1 - c * slope[e]) ** 2 * fit.chances[e] * (1 - fit.chances[e]) for e in mine) / len(mine) ** 2
            )
        d, v = np.array(d), np.array(v)
        variance = (np.sum(d**2 / v) - 50) / np.sum(1 / v)
        assert variance > 0
        found = row_leanings(fit)
        assert found.sd == pytest.approx(np.sqrt(variance))
        np.testing.assert_allclose(found.effect, variance / (variance + v) * d)
        np.testing.assert_allclose(found.variance, 1 / (1 / variance + 1 / v))

    def test_the_variance_of_drawn_leanings_is_found(self):
        rng = np.random.default_rng(0)
        v = rng.uniform(0.5, 4.0, 20_000)
        b = 1.5 * rng.normal(size=len(v))
        found = shrunk(b + np.sqrt(v) * rng.normal(size=len(v)), v)
        # 20 000 leanings: a standard deviation is known to about 1.5 %
        assert found.sd == pytest.approx(1.5, rel=0.05)
        assert np.var(found.effect - b) == pytest.approx(found.variance.mean(), rel=0.05)

    def test_less_than_chance_is_nothing(self):
        found = shrunk(np.full(5, 0.1), np.ones(5))
        assert found.sd == 0
        assert not found.effect.any()
        assert not found.variance.any()


class TestScores:
    def test_columns_of_one_slope_leave_nothing(self):
        _, seen = strayed(1)
        assert row_leanings(fit_of(seen, is_sloped=False)).sd == 0

    @pytest.mark.slow
    def test_tables_of_the_model_have_next_to_none(self):
        found = [row_leanings(fit_of(simulated(40, 300, 0.3, slope=0.4, seed=k).observed.to_dense())) for k in range(4)]
        assert np.mean([one.sd for one in found]) < 0.006

    @pytest.mark.slow
    def test_scores_of_rows_that_stray_come_nearer_and_are_covered(self):
        plain, better, inside, bare = [], [], [], []
        for seed in range(3):
            answers, seen = strayed(seed)
            model = hs.ItemResponseModel("2pl").fit(seen)
            found, lean, score = model.inference().scores("these"), model.board_.leanings, answers.mean(axis=1)
            unseen = np.isnan(seen).mean(axis=1)
            assert lean.sd > 0.01
            better.append(found.estimate - score)
            plain.append(found.estimate - unseen * lean.effect - score)
            inside.append(np.abs(better[-1]) <= 1.96 * found.se)
            bare.append(np.abs(plain[-1]) <= 1.96 * np.sqrt(found.se**2 - unseen**2 * lean.variance))
        assert np.std(better) < 0.75 * np.std(plain)
        # 150 rows: a share of .95 is known to .018
        assert np.mean(inside) > 0.9
        assert np.mean(inside) > np.mean(bare) + 0.1

    @pytest.mark.slow
    def test_what_is_left_unknown_is_in_the_variance_of_each_row(self, monkeypatch):
        _, seen = strayed(0)
        found = []
        for is_left_out in (False, True):
            if is_left_out:
                monkeypatch.setattr(board, "row_leanings", lambda fit: RowLeanings.none(50))
            model = hs.ItemResponseModel("2pl").fit(seen)
            found.append((model.board_, model.inference()))
        leanings, unseen = found[0][0].leanings, np.isnan(seen).mean(axis=1)
        assert leanings.variance.min() > 1e-5
        for about, share in (("these", unseen), ("again", np.ones(50))):
            more, less = (i.score_covariance(about) for _, i in found)
            np.testing.assert_allclose(more - less, np.diag(share**2 * leanings.variance), atol=1e-12)

    def test_what_is_known_stays_within_the_blocks_it_was_seen_in(self):
        table = SeenAnswers(np.array([0, 0, 1]), np.array([0, 1, 0]), np.ones(3), np.ones(3), (3, 6))
        unseen, every = within_reach(table, np.array([0, 0, 0, 1, 1, 1]))
        np.testing.assert_allclose(unseen, [1 / 4, 2 / 5, 0.0])
        np.testing.assert_allclose(every, [0.5, 0.5, 0.0])
        assert within_reach(table, None)[0].tolist() == [1, 1, 1]
        lean = RowLeanings(0.2, np.array([0.1, 0.1, 0.0]), np.full(3, 0.01))
        effect, variance = lean.over(np.array([0.5, 1.0, 1.0]), np.array([1.0, 0.5, 0.0]))
        np.testing.assert_allclose(effect, [0.05, 0.05, 0.0])
        np.testing.assert_allclose(variance, [0.0025, 0.25 * 0.01 + 0.25 * 0.04, 0.04])

    @pytest.mark.slow
    def test_a_row_without_answers_in_a_block_is_not_moved_there(self):
        answers, seen = strayed(3)
        blocks = np.repeat(["a", "b"], 200)
        seen[:8, 200:] = np.nan
        seen[:8, :200] = answers[:8, :200]  # all of one block, nothing of the other
        i = hs.ItemResponseModel("2pl").fit(seen, blocks=blocks).inference()
        model = i._model
        assert model.board_.leanings.sd > 0
        wanted = np.where(np.isnan(seen), model.predict_table(), seen).mean(axis=1)
        found = i.scores("these").estimate
        np.testing.assert_allclose(found[:8], wanted[:8], atol=1e-5)
        assert np.abs(found[8:] - wanted[8:]).max() > 1e-3
