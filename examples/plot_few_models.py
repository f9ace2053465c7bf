"""
Thirty models, a tenth of the answers
=====================================

A leaderboard of few rows: thirty models, four hundred questions, and each model was asked some forty of them at random.
With three answers a question has no difficulty worth the name, so the model integrates the questions out. What is left
are scores with intervals that hold, ranks with intervals, and the questions to ask next.
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(4)
n_models, n_questions = 30, 400
ability, difficulty = rng.normal(size=n_models), 2.2 * rng.normal(size=n_questions)
answers = (rng.random((n_models, n_questions)) < 1 / (1 + np.exp(difficulty - ability[:, None]))).astype(float)
score = answers.mean(axis=1)  # on all questions: what we would like to know

seen = np.where(rng.random(answers.shape) < 0.1, answers, np.nan)
table = hs.Observed.from_dense(seen, row_labels=[f"model {i:02d}" for i in range(n_models)])
table

# %%
# ``ItemResponseModel("auto")`` chooses between equal and own slopes of the questions by left-out answers.

model = hs.ItemResponseModel("auto").fit(table)
inference = model.inference(level=0.95, random_state=0)
inference.leaderboard().to_frame("pandas")[
    ["row", "score", "low", "high", "rank_low", "rank_high", "group", "raw"]
].head()

# %%
# Against the score on all questions: the error of the mean of the answers there are, and of the model.

found, raw = inference.scores(about="these"), np.nanmean(seen, axis=1)
errors = [round(float(np.sqrt(np.mean((estimate - score) ** 2))), 3) for estimate in (raw, found.estimate)]
held = int(np.sum((found.low <= score) & (score <= found.high)))
{"error of the raw mean": errors[0], "error of the model": errors[1], "intervals that hold": f"{held} of {n_models}"}

# %%

order = np.argsort(found.estimate)
place = np.arange(n_models)
ranks = inference.ranks(about="these")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5.5), sharey=True, layout="constrained")
left.hlines(place, found.low[order], found.high[order], color="#2a6f97", linewidth=2)
left.plot(found.estimate[order], place, "o", color="#2a6f97", markersize=4, label="model, 95 %")
left.plot(raw[order], place, "|", color="#6c757d", markersize=8, label="raw mean")
left.plot(score[order], place, "x", color="#e76f51", markersize=5, label="truth")
left.set(xlabel="score on all questions", yticks=place, yticklabels=table.row_labels[order])
left.tick_params(axis="y", labelsize=7)
left.legend(frameon=False, loc="lower right")
right.hlines(place, ranks.low[order], ranks.high[order], color="#2a6f97", linewidth=2)
right.plot(np.argsort(np.argsort(-score))[order] + 1, place, "x", color="#e76f51", markersize=5)
right.set(xlabel="rank, 95 %")
plt.show()

# %%
# A newcomer was asked ten questions. Which ones say most about it now, and how many more are needed until the interval
# of its score is .15 wide?

newcomer = np.full((1, n_questions), np.nan)
newcomer[0, :10] = answers[3, :10]
new = model.transform(newcomer, inference=True)
[int(item) for item in new.next_items(5)["item"].to_pylist()], int(new.questions_needed(width=0.15)[0])

# %%
# Picked by information, questions narrow the interval faster than at random.

counts = np.arange(0, 201, 5)
curve = new.width_curve(counts)
figure, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
ax.plot(counts, curve.random[0], color="#6c757d", label="random questions")
ax.plot(counts, curve.best[0], color="#2a6f97", label="most informative")
ax.set(xlabel="further questions", ylabel="expected width of the interval", ylim=(0, None))
ax.legend(frameon=False)
plt.show()
