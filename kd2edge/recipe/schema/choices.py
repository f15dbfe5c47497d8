"""Unions whose member is told by one key: a mistake is then reported for the member that was meant.

Each of these stands in an ``Annotated`` behind a union of parts (or a single part, as long as there
is one method only): a new method is one more class in that union.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, final, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from kd2edge.recipe.schema.base import Name
from kd2edge.recipe.schema.defaults import FILLED

Value = TypeVar("Value")


def members(union: Any) -> tuple[Any, ...]:
    """The members of a union; what is no union is its only member."""
    return get_args(union) if get_origin(union) in {Union, UnionType} else (union,)


def tag_of(word: str) -> str:
    """The mark of a chosen member in pydantic's error locations; no recipe has such keys."""
    return f"<{word}>"


def is_tag(step: object) -> bool:
    """Whether a step of an error location is such a mark."""
    return isinstance(step, str) and step.startswith("<") and step.endswith(">")


def kind_of(part: type[BaseModel], key: str) -> str:
    """The value of ``key`` that means ``part``."""
    return str(get_args(part.model_fields[key].annotation)[0])


@final
@dataclass(frozen=True, slots=True)
class ByKind:
    """The member is told by the value of ``key``; a bare string is short for ``{key: string}``."""

    key: str = "kind"

    def chosen(self, union: Any, tag: str) -> Any:
        """The member behind a mark of an error location."""
        return next(part for part in members(union) if tag_of(kind_of(part, self.key)) == tag)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        parts = {kind_of(part, self.key): part for part in members(source)}
        choices = {tag_of(kind): handler.generate_schema(part) for kind, part in parts.items()}

        def read(value: Any) -> Any:
            full = {self.key: value} if isinstance(value, str) else value
            _require_mapping(full, parts)
            if isinstance(full, Mapping) and _word(full, self.key) not in parts:
                raise _unknown(self.key, full, list(parts))
            return full

        def tag(value: Any) -> str:
            made = not isinstance(value, Mapping)
            return tag_of(str(getattr(value, self.key) if made else value.get(self.key)))

        return _tagged(choices, tag, read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        choices = _core_of(schema)["choices"]
        found = {tag.strip("<>"): handler(choice) for tag, choice in choices.items()}
        bare = [
            kind
            for kind, part in found.items()
            if {self.key, *FILLED}.issuperset(handler.resolve_ref_schema(part).get("required", ()))
        ]
        short = [{"enum": bare, "type": "string"}] if bare else []
        return {"anyOf": [*short, *found.values()]}


def _word(value: Mapping[str, Any], key: str) -> str:
    word = value.get(key)
    return word if isinstance(word, str) else ""


def _require_mapping(value: Any, parts: Mapping[str, Any]) -> None:
    """Let mappings through, and members that are already made (defaults)."""
    if not isinstance(value, (Mapping, *parts.values())):
        raise PydanticCustomError("mapping_type", "expected a mapping")


def _unknown(key: str, value: Mapping[str, Any], known: list[str]) -> PydanticCustomError:
    context = {"key": key, "known": known, "found": value.get(key), "missing": key not in value}
    return PydanticCustomError("unknown_kind", "no such kind", context)


@final
@dataclass(frozen=True, slots=True)
class ByKey:
    """The member is the first one whose own key is there.

    Args:
        keys: the key of each member, in the union's order.
        short: the key that a bare string stands for; "" when there is no short form.
    """

    keys: tuple[str, ...]
    short: str = ""

    def chosen(self, union: Any, tag: str) -> Any:
        """The member behind a mark of an error location."""
        return dict(zip(self.keys, members(union), strict=True))[tag.strip("<>")]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        parts = dict(zip(self.keys, members(source), strict=True))
        choices = {tag_of(key): handler.generate_schema(part) for key, part in parts.items()}

        def read(value: Any) -> Any:
            full = {self.short: value} if self.short and isinstance(value, str) else value
            _require_mapping(full, parts)
            if isinstance(full, Mapping) and not any(key in full for key in parts):
                raise PydanticCustomError("no_form", "no form", {"known": list(parts)})
            return full

        def tag(value: Any) -> str:
            if isinstance(value, Mapping):
                return next(tag_of(key) for key in parts if key in value)
            return next(tag_of(key) for key, part in parts.items() if isinstance(value, part))

        return _tagged(choices, tag, read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = [handler(choice) for choice in _core_of(schema)["choices"].values()]
        return {"anyOf": [*([{"type": "string"}] if self.short else []), *found]}


@final
@dataclass(frozen=True, slots=True)
class OneOrMany:
    """One value, or several: a list, or a mapping that is no method (has no key ``kind``).

    With ``flag`` the one is true or false, and the other any other value.
    """

    flag: bool = False

    def chosen(self, union: Any, tag: str) -> Any:
        """The member behind a mark of an error location."""
        return members(union)[0 if tag == tag_of("one") else 1]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        one, many = members(source)
        choices = {
            tag_of("one"): handler.generate_schema(one),
            tag_of("many"): handler.generate_schema(many),
        }

        is_part = isinstance(many, type) and issubclass(many, BaseModel)

        def tag(value: Any) -> str:
            if self.flag:
                # A word beside a mapping is a flag in another spelling, such as `yes`.
                is_flag = isinstance(value, (bool, str) if is_part else bool)
                return tag_of("one" if is_flag else "many")
            mapping = isinstance(value, Mapping) and "kind" not in value
            return tag_of("many" if mapping or isinstance(value, (list, tuple)) else "one")

        return core_schema.tagged_union_schema(choices, discriminator=tag)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": handler(_core_of(schema))["oneOf"]}


@final
@dataclass(frozen=True, slots=True)
class OrMethod:
    """A number, or a method: a mapping, or the bare word of its kind."""

    def chosen(self, union: Any, tag: str) -> Any:
        """The member behind a mark of an error location."""
        return members(union)[0 if tag == tag_of("number") else 1]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        number, method = members(source)
        choices = {
            tag_of("number"): handler.generate_schema(number),
            tag_of("method"): handler.generate_schema(method),
        }

        def tag(value: Any) -> str:
            # A text that is no word is a number in another spelling, such as '0.5'.
            is_word = isinstance(value, str) and value.isidentifier()
            is_method = is_word or isinstance(value, (Mapping, BaseModel))
            return tag_of("method" if is_method else "number")

        return core_schema.tagged_union_schema(choices, discriminator=tag)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": handler(_core_of(schema))["oneOf"]}


#: A value for all tasks, or a map by task; :func:`by_task` reads it.
ByTask = Annotated[Value | dict[Name, Value], OneOrMany()]


def by_task(value: Any, tasks: Any) -> dict[str, Any]:
    """The value of each task, whichever form the recipe gave.

    Args:
        value: a field of type ``ByTask``; a map names every task (checked when it was loaded).
        tasks: the names of the tasks, in the order wanted.
    """
    return {task: value[task] if isinstance(value, dict) else value for task in tasks}


def _tagged(choices: Any, tag: Any, read: Any) -> CoreSchema:
    union = core_schema.tagged_union_schema(choices, discriminator=tag)
    return core_schema.no_info_before_validator_function(read, union)


def _core_of(schema: Any) -> Any:
    """The tagged union inside what pydantic hands to the JSON Schema."""
    while schema["type"] != "tagged-union":
        schema = schema["schema"]
    return schema
