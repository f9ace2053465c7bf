"""Errors of the library, in the words of the command line: options instead of Python arguments."""

from __future__ import annotations

import re
from typing import Any


def _listed(names: str) -> str:
    """``'a', 'b'`` as ``a,b``."""
    text = ",".join(name.strip().strip("'\"") for name in names.split(",") if name.strip() != "...")
    return f"'{text}'" if " " in text else text


def _meanings(pairs: str) -> str:
    """``'no': 0, 'yes': 1`` as ``no=0,yes=1``."""
    return _listed(re.sub(r"\s*:\s*", "=", pairs).replace("'", "").replace('"', ""))


OPTION_NAMES: dict[str, str] = {}
OPTIONS = (
    "row|col|value|weight|source|sep|missing|shift|duplicates|rank"
    "|penalty|bias_penalty|alpha|trials|family|clip|memory|columns|drop|max_bytes"
    "|blocks|kind|format|metric|filter|cluster|rename|not_graded|question_set"
    "|island|set_size|gap"
)
VALUE = r"('[^']*'|\"[^\"]*\"|[-\w.]+)"
# In order; an argument that is named without a value comes last.
PHRASES: tuple[tuple[str, Any], ...] = (
    (r"pass header=False", "add --no-header"),
    (r"pass missing=float\('nan'\)", "add --missing nan"),
    (r"duplicates='first', 'last', 'mean', 'sum', 'max' or 'min'", "--duplicates first, last, mean, sum, max or min"),
    (r"use 'first', 'last' or 'mean'", "use first, last or mean"),
    (r"\bloss='(\w+)'", r"--family \1"),
    (r"Choose another loss\b", "Choose another --family"),
    (r"\bheader=(?!\w|')", "--no-header"),
    (r"\b(pass|read a wide one with|leave it or) wide=True\b", r"\1 --wide"),
    (r"\bwide=True\b|\bwide=(?!\w)", "--wide"),
    (r"\blabels=False\b", "--no-labels"),
    (r"\b(columns|drop)=\[([^\]]*)\]", lambda match: f"--{OPTION_NAMES.get(match[1], match[1])} {_listed(match[2])}"),
    (r"\bvalues=\{([^}]*)\}", lambda match: f"--values {_meanings(match[1])}"),
    (r"\bfit\(R, trials=R\.trials\)", "trials of fit in Python"),
    (r"pass sep\b(?!=)", "give --sep"),
    (r"pass (?=row=|col=|value=|weight=|sep=)", "give "),
    (r"\bclip=\(low, high\) needs low < high; got \((.*?), (.*?)\)", r"--clip LOW,HIGH needs LOW < HIGH; got \1,\2"),
    (r"\b(folds)=(\d+)", r"--\1 \2"),
    (r"\bpercent=True\b", "--percent"),
    (r"\bwidth=(\d+)", r"--width \1"),
    (r"\bR\[", "entry ["),
)


def in_options(message: str) -> str:
    """The same message for someone who types options.

    >>> in_options("the first line looks like data; pass header=False")
    'the first line looks like data; add --no-header'
    >>> in_options("row='usr' is not a column; say duplicates='sum', or see sep= and missing=")
    '--row usr is not a column; say --duplicates sum, or see --sep and --missing'
    """
    for pattern, words in PHRASES:
        message = re.sub(pattern, words, message)
    message = re.sub(rf"(?<![\w-])({OPTIONS})={VALUE}", _option_with_value, message)
    message = re.sub(rf"(?<![\w-])({OPTIONS})=", lambda match: _option(match[1]), message)
    return re.sub(r"(?<![\w-])(bias_penalty|penalty|alpha) must\b", lambda match: f"{_option(match[1])} must", message)


def of_argument(error: Any) -> str:
    """A bad argument of the library as the option that it was given by.

    >>> from halfseen.parameters import BadArgument
    >>> of_argument(BadArgument("max_iter", 0, "a whole number of at least 1"))
    '--max-iter 0 is not allowed; needed: a whole number of at least 1.'
    """
    return f"{_option(error.name)} {str(error).removeprefix(f'{error.name}=')}"


def _option(name: str) -> str:
    return f"--{OPTION_NAMES.get(name, name).replace('_', '-')}"


def _option_with_value(match: re.Match[str]) -> str:
    value = match[2]
    plain = value[1:-1] if re.fullmatch(r"(['\"])[\w.+-]+\1", value) else value
    return f"{_option(match[1])} {plain}"
