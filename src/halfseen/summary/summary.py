"""What a fitted model tells, once: terminal, notebook, JSON and page show the same parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from halfseen.summary.parts import Chapter, Facts, Note, Part, Section, Table
from halfseen.summary.subject import Subject, data_of


def writer_of(model: Any) -> Callable[[Subject], Chapter]:
    """The function that says what a model tells: its class names it in ``_summary``, as "module:function".

    Raises
    ------
    TypeError
        For anything but an estimator of the library.

    Examples
    --------
    >>> import halfseen as hs
    >>> writer_of(hs.JIVE()).__module__
    'halfseen.summary.sources'
    """
    where = getattr(type(model), "_summary", None)
    if getattr(model, "stored_rows_", None) is not None and hasattr(model, "col_factors_"):
        where = "halfseen.summary.stored:chapter"
    if where is None:
        raise TypeError(f"a report needs a fitted estimator; got {type(model).__name__}")
    module, name = where.split(":")
    writer: Callable[[Subject], Chapter] = getattr(import_module(module), name)
    return writer


def brief(model: Any, record: Mapping[str, Any]) -> list[Part]:
    """What a screen shows at once: of the parts that the page has, those that the room's ``brief`` names; maybe none.

    They need neither the data of the fit nor its inference.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, observed=0.6, random_state=0)
    >>> model = hs.OverparametrizedFactorization(random_state=0).fit(data.observed)
    >>> [name for name, value in brief(model, {})[0].items][:2]
    ['components found', 'stopped after']
    """
    told = getattr(import_module(writer_of(model).__module__), "brief", None)
    parts: list[Part] = [] if told is None else told(Subject(model, record))
    return parts


@dataclass(frozen=True)
class Summary:
    """What a fitted model found, in parts: facts, tables with intervals, pictures as functions, notes and claims.

    ``print()`` shows it in a terminal, a notebook shows it as HTML.

    Attributes
    ----------
    subject : Subject
        The model, its data where they are at hand, and the level of the intervals.
    chapter : Chapter
        Title, a glance, sections, and what each number means and rests on.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, observed=0.6, random_state=0)
    >>> summary = hs.AlternatingLeastSquares(1, random_state=0).fit(data.observed).summary()
    >>> summary.facts["rows"], [table.caption for table in summary.tables][0]
    ('60', 'Components and what stands out on each')
    """

    subject: Subject
    chapter: Chapter

    @classmethod
    def of(cls, model: Any, level: float = 0.95, R: Any = None, record: Mapping[str, Any] | None = None) -> Summary:
        """The summary of a model; see ``model.summary()``."""
        if not 0 < level < 1:
            raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95")
        write = writer_of(model)
        check_is_fitted(model)
        facts = dict(record or {})
        details, notes = facts.pop("details", {}), facts.pop("notes", ())
        facts.pop("pictures", None)
        subject = Subject(model, facts, details, data_of(model, R), level)
        for text in notes:
            subject.note(text, is_warning=False)
        for text in getattr(model, "warnings_", ()):
            subject.note(text)
        return cls(subject, write(subject))

    @property
    def facts(self) -> dict[str, str]:
        """What everyone wants to know first, and the facts of all sections."""
        facts = dict(self.chapter.glance)
        for section in self.chapter.sections:
            for part in section.parts:
                if isinstance(part, Facts):
                    facts |= dict(part.items)
        return facts

    @property
    def tables(self) -> list[Table]:
        """All tables."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Table)]

    @property
    def sections(self) -> list[Section]:
        """Headings and what belongs to them."""
        return list(self.chapter.sections)

    @property
    def notes(self) -> list[Note]:
        """Warnings, and what is good to know."""
        return list(self.subject.notes)

    def __str__(self) -> str:
        text: str = _render("text").as_text(self)
        return text

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        html: str = _render("page.notebook").as_html(self)
        return html

    def to_dict(self) -> dict[str, Any]:
        """The parts as plain values: dictionaries, lists, numbers and text; pictures by what they show."""
        plain: dict[str, Any] = _render("text").as_dict(self)
        return plain

    def to_json(self) -> str:
        """The same as JSON."""
        import json

        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_html(self, path: Any = "report.html") -> Path:
        """Write the page; the same as ``hs.report(model, path)``."""
        subject = self.subject
        kept = {**subject.record, "details": subject.details}
        written: Path = _render("page.write").report(
            subject.model, path, subject.data, level=subject.level, record=kept
        )
        return written


def _render(name: str) -> Any:
    # what shows parts stands beside them: looked up only when asked for
    return import_module(f"halfseen.render.{name}")
