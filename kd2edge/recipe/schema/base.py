"""What every part of a recipe's schema is made of: strict scalars, names, paths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError, PydanticKnownError
from pydantic_core.core_schema import ValidationInfo

from kd2edge.recipe.names import FOLDER_NAME, TAKEN_NAME
from kd2edge.tasks.labels import label_text

#: Key of the validation context that holds the recipe's folder.
FOLDER = "folder"


class Part(BaseModel):
    """One mapping of a recipe: frozen, without unknown keys; each field's docstring is its help."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _not_empty(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise PydanticCustomError("empty_path", "expected a path, found an empty text")
    return value


def _resolved(path: Path, info: ValidationInfo) -> Path:
    context: Any = info.context
    if not isinstance(context, dict) or FOLDER not in context:
        return path
    base = Path(context[FOLDER])
    try:
        return (base / path.expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # "~name" of somebody unknown here, links in a circle
        raise PydanticCustomError("bad_path", "a path that leads nowhere") from error


def _not_latest(name: str) -> str:
    if name == TAKEN_NAME:
        message = "the name '{name}' is taken: runs/{name} points to the latest run"
        raise PydanticCustomError("taken_name", message, {"name": name})
    return name


def _as_label(value: Any) -> Any:
    """Labels are compared as texts, so 0 means "0"."""
    if not isinstance(value, bool | int | float):
        return value
    try:
        return label_text(value)
    except ValueError:
        return value


def _exactly_whole(value: Any) -> Any:
    # A literal 1 would also take true and 1.0, which equal it.
    if type(value) is not int:
        raise PydanticKnownError("int_type")
    return value


#: In front of a literal of whole numbers.
Whole = BeforeValidator(_exactly_whole)
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Natural = Annotated[int, Strict(), Field(ge=0)]
#: torch takes 64 bits, augmentation counts them with a sign.
Seed = Annotated[int, Strict(), Field(ge=0, le=2**63 - 1)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0)]
NotNegative = Annotated[float, Strict(), Field(ge=0)]
#: From 0 to 1, both included.
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
#: From 0 to 1, without 1.
Rate = Annotated[float, Strict(), Field(ge=0, lt=1)]
#: From 0 to 1, without 0.
Some = Annotated[float, Strict(), Field(gt=0, le=1)]
#: From 0 to 1, without both.
Inner = Annotated[float, Strict(), Field(gt=0, lt=1)]

Text = Annotated[str, Field(min_length=1)]
#: A text, or several; kept as a tuple.
Texts = Annotated[
    tuple[Text, ...], BeforeValidator(_listed, json_schema_input_type=Text | tuple[Text, ...])
]
#: What names a task, an input, a teacher or a source.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Names = Annotated[
    tuple[Name, ...], BeforeValidator(_listed, json_schema_input_type=Name | tuple[Name, ...])
]
#: What names a run and a bundle: it becomes a folder.
FolderName = Annotated[str, Field(pattern=FOLDER_NAME), AfterValidator(_not_latest)]
Label = Annotated[Text, BeforeValidator(_as_label, json_schema_input_type=Text | int | bool)]
#: A local path; a relative one starts at the recipe's folder (made absolute when it is loaded).
LocalPath = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_resolved)]
