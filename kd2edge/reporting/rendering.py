"""From sections to one HTML file that loads nothing: for a phone, in the dark, on paper."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from kd2edge.reporting.page import Fact, Section
from kd2edge.wording import shown

__all__ = ["rendered"]

#: What a terminal obeys, and what turns the direction of writing: all comes from users' data.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def rendered(
    *,
    name: str,
    what: str,
    lead: str,
    facts: Sequence[Fact],
    sections: Sequence[Section],
    made_by: str,
) -> str:
    """The page; the same arguments give the same bytes.

    Args:
        name: what it is about.
        what: the kind of page, in a word or two.
        lead: one sentence that says what came out.
        facts: large numbers at the top.
        sections: its parts.
        made_by: who wrote it.
    """
    script = _asset("sort.js")
    page = _template().render(
        name=name,
        what=what,
        lead=lead,
        facts=facts,
        sections=sections,
        made_by=made_by,
        style=_asset("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return _OBEYED.sub(lambda found: shown(found[0]), page)


def _asset(name: str) -> str:
    return (files("kd2edge.reporting") / "assets" / name).read_text(encoding="utf-8")


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("report.html.j2"))
