"""
Complete handwritten digits
===========================

Sixty of a hundred pixels are hidden. Each pixel of scikit-learn's digits counts how many of 16 dots were inked, so the
entries are counts out of 16: the binomial family with 16 trials. (``halfseen demo`` does the same, and chooses rank and
penalty on held-out pixels.)
"""

import numpy as np

import halfseen as hs
from halfseen.show import image_grid

digits = hs.datasets.load("digits")
seen, hidden = digits.split(0.6, random_state=0, keep_covered=True)
seen

# %%
# Pixels scatter more than binomial counts would, so the ridge is larger than the empirical-Bayes one.

model = hs.GeneralizedFactorModel(rank=16, family="binomial(16)", penalty=30.0, random_state=0).fit(seen)
model.run_.reason, model.run_.n_iter

# %%
# Judged on the hidden pixels, beside what needs no model at all:


def rmse(fitted):
    predicted = fitted.predict(hidden.rows, digits.col_labels[hidden.cols])
    return round(float(np.sqrt(np.mean((predicted - hidden.values) ** 2))), 2)


{"factor model": rmse(model), "column mean": rmse(hs.ColumnMean().fit(seen))}

# %%
# Ten of them, one of each digit:

ten = np.arange(10)
figure = image_grid(
    {
        "seen\n(40 %)": seen.take_rows(ten).to_dense(),
        "completed": model.predict_table(ten),
        "truth": digits.take_rows(ten).to_dense(),
    },
    size=(8, 8),
    limits=(0, 16),
)
