"""The page of a test of which every answer was seen."""

from __future__ import annotations

import re

import numpy as np


def test_a_complete_table_says_that_these_questions_leave_nothing_uncertain(halfseen, tmp_path):
    rng = np.random.default_rng(3)
    answers = rng.normal(size=(30, 1)) + np.linspace(-1, 1, 6) + rng.normal(size=(30, 6)) > 0
    lines = ["who,a,b,c,d,e,f", *(f"s{k}," + ",".join(map(str, row.astype(int))) for k, row in enumerate(answers))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    (tmp_path / "holes.csv").write_text("\n".join([lines[0], "s0,,1,0,1,0,1", *lines[2:]]))
    texts = []
    for name in ("t.csv", "holes.csv"):
        run = tmp_path / f"run-{name}"
        words = ["fit", "irt", tmp_path / name, "--kind", "rasch", "-q", "-o", run]
        result = halfseen(*words)
        assert result.exit_code == 0, result.output
        result = halfseen("report", run)
        assert result.exit_code == 0, result.output
        texts.append(re.sub("<[^>]+>", " ", (run / "report.html").read_text()))
    assert "have no sampling error" in texts[0]
    assert "Leaderboard over questions like these" in texts[0]
    assert "have no sampling error" not in texts[1]


def test_bars_of_yes_and_no_are_not_drawn():
    from halfseen.show.fits import held_out_bins, plot_bins

    rng = np.random.default_rng(0)
    chances = rng.random(400)
    labels = [text.get_text() for truth in (rng.random(400) < chances, chances + rng.normal(size=400))
              for text in plot_bins(held_out_bins(truth, chances)).axes[0].get_legend().get_texts()]  # fmt: skip
    assert labels.count("middle half") == 1
    assert len(held_out_bins([0.0, 1.0] * 10, np.arange(20.0))["mean"]) == 4
