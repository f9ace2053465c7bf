"""The page of a test of which every answer was seen."""

from __future__ import annotations

import re

import numpy as np
import pytest


@pytest.mark.fast_cases("complete")
@pytest.mark.parametrize("answered", ["complete", "holes"])
def test_a_complete_table_says_that_these_questions_leave_nothing_uncertain(halfseen, tmp_path, answered):
    rng = np.random.default_rng(3)
    answers = rng.normal(size=(30, 1)) + np.linspace(-1, 1, 6) + rng.normal(size=(30, 6)) > 0
    lines = ["who,a,b,c,d,e,f", *(f"s{k}," + ",".join(map(str, row.astype(int))) for k, row in enumerate(answers))]
    lines[1] = "s0,,1,0,1,0,1" if answered == "holes" else lines[1]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    result = halfseen("fit", "irt", tmp_path / "t.csv", "--kind", "rasch", "-q", "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    result = halfseen("report", tmp_path / "run")
    assert result.exit_code == 0, result.output
    text = re.sub("<[^>]+>", " ", (tmp_path / "run" / "report.html").read_text())
    assert ("have no sampling error" in text) == (answered == "complete")
    assert answered == "holes" or "Leaderboard over questions like these" in text


def test_bars_of_yes_and_no_are_not_drawn():
    from halfseen.show.fits import held_out_bins, plot_bins

    rng = np.random.default_rng(0)
    chances = rng.random(400)
    labels = [text.get_text() for truth in (rng.random(400) < chances, chances + rng.normal(size=400))
              for text in plot_bins(held_out_bins(truth, chances)).axes[0].get_legend().get_texts()]  # fmt: skip
    assert labels.count("middle half") == 1
    assert len(held_out_bins([0.0, 1.0] * 10, np.arange(20.0))["mean"]) == 4
