"""Reads a report page as a browser would: a strict parser, and what tests ask of it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "input", "br", "img", "link", "hr", "use", "path", "rect", "image"}


class PageReader(HTMLParser):
    """Elements, attributes and texts of a page; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> names an attribute twice: {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID or tag in ("use", "path", "rect", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]

    def words(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]

    def downloads(self) -> dict[str, str]:
        """CSV files inside the page, by name."""
        return {
            attrs["download"]: base64.b64decode(attrs["href"].split("base64,")[1]).decode("utf-8-sig")
            for tag, attrs in self.elements
            if tag == "a" and "download" in attrs
        }

    def check(self) -> None:
        """Nothing comes from elsewhere, names are there once, links lead somewhere."""
        for tag, attrs in self.elements:
            assert tag not in ("link", "iframe", "object", "embed", "base", "form"), tag
            for name, value in attrs.items():
                assert not name.startswith("on"), f"<{tag} {name}={value}> runs code"
                assert not re.match(r"\s*(https?:|//|javascript:)", value or "", re.I), f"<{tag} {name}={value}>"
                assert "url(http" not in (value or ""), value
        for text in self.words("style") + self.words("script"):
            assert not re.search(r"https?:|@import|url\(\s*['\"]?//", text)
        ids = self.values("id")
        assert len(ids) == len(set(ids)), "an id is used twice"
        for target in self.values("href"):
            if target.startswith("#"):
                assert target[1:] in ids, target
        for label in self.values("aria-labelledby"):
            assert label in ids
        self.check_access()

    def check_access(self) -> None:
        """What a screen reader and a keyboard need, as accessibility checkers ask for it."""
        regions = []
        for tag, attrs in self.elements:
            if tag == "img":
                assert attrs.get("alt")
            if tag == "svg":
                assert attrs.get("role") == "img"
                assert attrs.get("aria-label")
            if tag == "html":
                assert attrs.get("lang")
            if tag == "th":
                assert attrs.get("scope")
            if tag == "input":
                assert attrs.get("aria-label")
            if attrs.get("role") == "region":
                regions.append(attrs["aria-label"])
                assert attrs.get("tabindex") == "0", "the keyboard cannot scroll it"
            if attrs.get("class") == "wide":
                assert attrs.get("tabindex") == "0", "the keyboard cannot scroll it"
        assert len(regions) == len(set(regions)), "two parts of the page are called alike"
        levels = [int(tag[1]) for tag, _ in self.elements if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), levels
        assert all(text.strip() for text in self.words("title")[:1])
