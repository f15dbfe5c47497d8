"""The rows that models are judged on, without each input that may be absent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kd2edge.inputs.absent import left_out, without
from kd2edge.inputs.spec import InputSpec
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.rows.lacking import LackingRows, have_some_input, lacking

__all__ = ["JUDGED", "Lacked", "lacked", "student_without", "teacher_without"]

#: Splits that models are measured on.
JUDGED = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Lacked:
    """The rows of a split without an input.

    Args:
        split: ``validation`` or ``test``.
        name: the input.
        rows: those that have another input.
    """

    split: str
    name: str
    rows: LackingRows

    @property
    def key(self) -> tuple[str, str]:
        """Split and input."""
        return self.split, self.name


def lacked(data: Prepared, split: str) -> Iterator[Lacked]:
    """The rows of a split without each input that may be absent, as far as any are left."""
    for name in left_out(data.inputs):
        rows = lacking(data.rows[split], data.inputs, name)
        if len(rows):
            yield Lacked(split, name, rows)


def student_without(inputs: ModelInputs, name: str) -> ModelInputs:
    """What a student reads of rows that lack an input."""
    return replace(inputs, specs=without(inputs.specs, name))


def teacher_without(inputs: ModelInputs, one: Lacked) -> ModelInputs | None:
    """What a teacher reads of rows that the student reads without an input.

    Its inputs may have other names: what counts is which columns hold nothing.

    Returns:
        None: it cannot do without, or some rows hold nothing else that it reads.
    """
    gone = set(one.rows.columns)
    specs: dict[str, InputSpec] = {}
    for name, spec in inputs.specs.items():
        columns = set(spec.columns)
        is_gone = columns <= gone or (name == one.name and spec.may_be_absent)
        if columns & gone and not (is_gone and spec.may_be_absent):
            return None
        specs[name] = replace(spec, columns=()) if is_gone else spec
    if not have_some_input(one.rows, specs).all():
        return None
    return replace(inputs, specs=specs)
