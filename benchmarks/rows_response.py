"""Item response models with the persons integrated out: CPU time against girth and mirt, memory at a million rows."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from measure import Line, in_fresh_process, interleave

MILLION = """
import json, resource, time
import numpy as np
from rows_response import answers
from halfseen.methods.response.rows_fit import fit_rows
fit_rows(answers(2000, 30, 0.5), "2pl")
y = answers(1_000_000, 30, 0.5)
# what is held now, not the peak so far, which the fit could hide below
before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
start = time.process_time()
fit = fit_rows(y, "2pl")
seconds = time.process_time() - start
# of this process alone: the peak of getrusage is inherited from the one that started it
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
over = 1024 * int(peak.split()[1]) - before
print(json.dumps({"seconds": seconds, "over": over / y.nbytes, "passes": fit.run.work}))
"""


def answers(n: int, p: int, missing: float, seed: int = 0) -> np.ndarray:
    """2pl answers as bytes, 255 where missing, made a part at a time."""
    rng = np.random.default_rng(seed)
    a, d = rng.lognormal(0.2, 0.3, p), rng.normal(size=p)
    out = np.empty((n, p), np.uint8)
    for first in range(0, n, 20_000):
        part = out[first : first + 20_000]
        chance = 1.0 / (1.0 + np.exp(-(rng.normal(size=(len(part), 1)) * a + d)))
        part[:] = rng.random(part.shape) < chance
        part[rng.random(part.shape) < missing] = 255
    return out


def _contestants(y: np.ndarray) -> dict:
    from halfseen.methods.response.rows_fit import fit_rows
    from halfseen.methods.response.rows_options import RowsOptions

    cross = RowsOptions(errors="cross")
    out = {"here": lambda: fit_rows(y, "2pl"), "cross": lambda: fit_rows(y, "2pl", options=cross)}
    if find_spec("girth") is not None:
        import girth

        table = np.where(y == 255, girth.INVALID_RESPONSE, y.astype(int)).T
        out["girth"] = lambda: girth.twopl_mml(table)
    if find_spec("mirt") is not None:
        import mirt

        coded = np.where(y == 255, -1, y.astype(int))
        out["mirt"] = lambda: mirt.fit_mirt(coded, model="2PL")
    return out


def fits(rounds: int = 3) -> Iterator[Line]:
    """CPU time of a fit with standard errors over that of others on the same answers."""
    for n, p, missing, floor, aim in ((2000, 40, 0.3, None, None), (20_000, 50, 0.5, 0.3, 0.15)):
        t = interleave(_contestants(answers(n, p, missing)), rounds)
        note = f"here {t.typical('here'):.2f} s, with cross-product errors {t.typical('cross'):.2f} s"
        for peer in ("mirt", "girth"):
            what = f"2pl {n} x {p} with standard errors, over {peer}"
            ratio = t.ratio("here", peer)
            yield Line("15", what, floor if peer == "mirt" else None, aim if peer == "mirt" else None, ratio, note=note)
            yield Line("15", f"the same, cross-product errors, over {peer}", None, None, t.ratio("cross", peer))


def small(rounds: int = 9) -> Iterator[Line]:
    """Fits that somebody waits for, or repeats: the estimator as it is called, over girth and over least squares."""
    import halfseen as hs
    from halfseen.methods.response.rows_fit import fit_rows

    # 316 people by 24 questions are the verbal aggression data of lme4, 1000 by 5 the law school admission tests
    for n, p in ((316, 24), (1000, 5)):
        y = answers(n, p, 0.0)
        runs = {"here": lambda y=y: fit_rows(y, "2pl"), "model": lambda y=y: hs.ItemResponseModel().fit(y)}
        if find_spec("girth") is not None:
            import girth

            table = y.astype(int).T
            runs["girth"] = lambda table=table: girth.twopl_mml(table)
        t = interleave(runs, rounds)
        note = f"{1000 * t.typical('here'):.1f} ms; the estimator around it {1000 * t.typical('model'):.1f} ms"
        what = f"2pl {n} x {p} with standard errors, over girth without"
        yield Line("15", what, 1.0, None, t.ratio("here", "girth"), note=note)
    y = answers(50, 20, 0.0).astype(float)
    als = hs.AlternatingLeastSquares(rank=1)
    t = interleave({"here": lambda: hs.ItemResponseModel().fit(y), "als": lambda: als.fit(y)}, rounds)
    note = f"{1000 * t.typical('here'):.1f} ms, empirical prior of the items included"
    yield Line(
        "15", "a 2pl fit of 50 x 20 over alternating least squares", 20.0, None, t.ratio("here", "als"), note=note
    )


def several(rounds: int = 1) -> Iterator[Line]:
    """Three abilities: 1000 x 30, of which R's mirt needs 31 s by EM where it is installed (it is not, here)."""
    from halfseen.methods.response.rows_fit import fit_rows

    rng = np.random.default_rng(0)
    a, d = np.abs(rng.normal(0.0, 1.0, (30, 3))) * (rng.random((30, 3)) < 0.6), rng.normal(size=30)
    y = (rng.random((1000, 30)) < 1.0 / (1.0 + np.exp(-(rng.normal(size=(1000, 3)) @ a.T + d)))).astype(np.uint8)
    t = interleave({"here": lambda: fit_rows(y, "2pl", dimensions=3)}, rounds)
    note = "31 s by EM in R mirt 1.47 on a table of this size, measured elsewhere: not comparable to the second"
    yield Line("15", "2pl in 3 dimensions, 1000 x 30", None, None, t.typical("here"), unit="s", note=note)


def graded_answers(n: int, p: int, classes: int, missing: float, seed: int = 0) -> np.ndarray:
    """grm answers as bytes, 255 where missing."""
    rng = np.random.default_rng(seed)
    a, d = rng.lognormal(0.1, 0.3, p), -np.sort(rng.normal(size=(p, classes - 1)), axis=1)
    z = rng.normal(size=(n, 1, 1)) * a[:, None] + d
    out = (rng.logistic(size=(n, p, 1)) < z).sum(axis=2).astype(np.uint8)
    out[rng.random((n, p)) < missing] = 255
    return out


def graded(rounds: int = 3) -> Iterator[Line]:
    """CPU time of a graded fit with standard errors over that of girth, which has none."""
    from halfseen.methods.response.rows_fit import fit_rows

    # 316 people by 24 questions of three answers is the size of the verbal aggression data of lme4
    for n, p, k, missing in ((316, 24, 3, 0.0), (1000, 20, 5, 0.3)):
        y = graded_answers(n, p, k, missing)
        runs = {"here": lambda y=y: fit_rows(y, "grm")}
        if find_spec("girth") is not None:
            import girth

            table = np.where(y == 255, girth.INVALID_RESPONSE, y.astype(int)).T
            runs["girth"] = lambda table=table: girth.grm_mml(table)
        t = interleave(runs, rounds)
        what = f"grm {n} x {p} x {k} with standard errors, over girth without"
        yield Line("15", what, None, None, t.ratio("here", "girth"), note=f"here {t.typical('here'):.2f} s")


def steps(rounds: int = 1) -> Iterator[Line]:
    """Passes over the answers against those of plain EM to the same gradient."""
    from dataclasses import replace

    from halfseen.methods.response.rows_answers import answer_table
    from halfseen.methods.response.rows_fit import fit_rows, start_of
    from halfseen.methods.response.rows_optimise import EmStep
    from halfseen.solvers import GradientNorm, loop

    for n, p, missing in ((500, 20, 0.5), (2000, 40, 0.3)):
        y = answers(n, p, missing)
        fit = fit_rows(y, "2pl")
        problem = replace(fit.problem(answer_table(y, ["2pl"] * p)))
        em = loop(EmStep(problem), start_of(problem), [GradientNorm(1e-4 * np.sqrt(n))], max_iter=500)
        note = f"{fit.run.work:.0f} against {em.n_iter}"
        what = f"passes of a 2pl fit {n} x {p} over those of EM"
        yield Line("15", what, 0.6, 0.4, fit.run.work / em.n_iter, note=note)


def large(here: str) -> Iterator[Line]:
    """A hundred thousand and a million rows."""
    from halfseen.methods.response.rows_fit import fit_rows

    y = answers(100_000, 50, 0.5)
    t = interleave({"here": lambda: fit_rows(y, "2pl")}, 1)
    yield Line("15", "2pl 100 000 x 50 with standard errors", None, None, t.typical("here"), unit="s")
    found = in_fresh_process(f"import sys; sys.path.insert(0, {here!r})\n{MILLION}")
    note = f"{found['passes']:.0f} passes"
    yield Line("15", "2pl 1 000 000 x 30 with standard errors", None, None, found["seconds"], unit="s", note=note)
    yield Line("15", "its memory beyond the answers, over the answers", 2.0, 1.2, found["over"])


def goal_15(here: str) -> Iterator[Line]:
    """All lines of the rows engine."""
    yield from fits()
    yield from small()
    yield from several()
    yield from graded()
    yield from steps()
    yield from large(here)
