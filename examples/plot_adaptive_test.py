"""
A test that asks the right questions
====================================

A bank of 300 questions was calibrated once. A new person is asked one question at a time: the one that says most about
them now. Ten chosen questions say more than thirty random ones.
"""

import matplotlib.pyplot as plt
import numpy as np

import halfseen as hs

rng = np.random.default_rng(0)
n_people, n_questions = 800, 300
difficulty, slope = rng.normal(scale=1.3, size=n_questions), rng.lognormal(0.1, 0.4, n_questions)


def answer(ability, questions):
    """Right or wrong, by the truth that the bank has to find."""
    chance = 1 / (1 + np.exp(-slope[questions] * (ability - difficulty[questions])))
    return (rng.random(len(questions)) < chance).astype(float)


everything = np.arange(n_questions)
answers = np.array([answer(x, everything) for x in rng.normal(size=n_people)])
answers[rng.random(answers.shape) < 0.8] = np.nan

# %%
# The bank
# --------
# Each person saw a fifth of the questions. Slopes and difficulties come with errors, and a newcomer's interval counts
# them.

bank = hs.ItemResponseModel("2pl").fit(answers)
bank.reliability()


# %%
# Two ways to ask
# ---------------
# Forty newcomers take two tests of thirty questions: one chosen step by step, one at random.


def take(abilities, choose, length):
    """Estimates and standard errors after every question, the answers, and the questions of every person in order."""
    table, told, order = np.full((len(abilities), n_questions), np.nan), [], []
    for _ in range(length):
        place = bank.transform(table, inference=True).abilities()
        told.append((place.estimate, place.se))
        order.append(choose(table))
        for person, question in enumerate(order[-1]):
            table[person, question] = answer(abilities[person], np.array([question]))[0]
    last = bank.transform(table, inference=True).abilities()
    return np.array([*told, (last.estimate, last.se)]), table, np.transpose(order)


def most_telling(table):
    return bank.transform(table, inference=True).next_items(1)["item"].to_pylist()


def at_random(table):
    return [rng.choice(np.flatnonzero(np.isnan(row))) for row in table]


newcomers = rng.normal(size=40)
chosen, asked, asked_in_order = take(newcomers, most_telling, 30)
random, *_ = take(newcomers, at_random, 30)
after = [round(float(np.sqrt(np.mean((told[15, 0] - newcomers) ** 2))), 2) for told in (chosen, random)]
dict(zip(("chosen", "at random"), after, strict=True))

# %%
# Left one person's test as it goes: a dot is a question at its difficulty, filled where the answer was right. Right the
# error of all forty.

steps = np.arange(31)
person = int(np.argmax(newcomers))
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
estimate, error = chosen[:, 0, person], chosen[:, 1, person]
left.fill_between(steps, estimate - 1.96 * error, estimate + 1.96 * error, color="#2a6f97", alpha=0.15, linewidth=0)
left.plot(steps, estimate, color="#2a6f97", label="estimate, 95 %")
left.axhline(newcomers[person], color="#e76f51", linestyle="--", linewidth=1, label="truth")
for step, question in enumerate(asked_in_order[person], start=1):
    is_right = asked[person, question] == 1
    left.plot(step, difficulty[question], "o", color="0.3", markersize=4, fillstyle="full" if is_right else "none")
left.set(xlabel="questions asked", ylabel="ability, difficulty", xlim=(0, 30))
left.legend(frameon=False, loc="lower right")
for told, label, colour in ((random, "at random", "#6c757d"), (chosen, "chosen", "#2a6f97")):
    right.plot(steps, np.sqrt(np.mean((told[:, 0] - newcomers) ** 2, axis=1)), "o", color=colour, markersize=3)
    right.plot(steps, np.sqrt(np.mean(told[:, 1] ** 2, axis=1)), color=colour, label=label)
right.set(xlabel="questions asked", ylabel="error of the ability", xlim=(0, 30), ylim=(0, 1.05))
right.legend(frameon=False, title="line: as stated, dots: true")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
