"""Write ``docs/reference/recipe.md`` and ``cli.md`` from the recipe's schema and the command line.

Run it after either has changed (``python docs/generate_reference.py``); a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from kd2edge.cli.group import kd2edge
from kd2edge.cli.verbs import VERBS
from kd2edge.recipe import json_schema

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate_reference.py: change the code's own words, not these. -->"


def recipe_page() -> str:
    """Every part of a recipe with its keys, in the schema's own words."""
    schema = json_schema()
    parts = dict(_parts(schema))
    parts.pop(schema["title"])
    lines = [
        "# Recipe",
        "",
        _NOTE,
        "",
        "One YAML file, read by YAML 1.2 rules. Unknown and duplicate keys are refused with file,",
        "line and column. Relative paths start at the recipe's folder, `${NAME:-default}` reads",
        "the environment. A method is `{kind: ..., options}`; a bare word is short for",
        "`{kind: word}`. `kd2edge check RECIPE` says what is wrong; `kd2edge schema` prints the",
        "JSON Schema.",
        "",
    ]
    lines += _part("The whole recipe", schema, parts)
    for name in sorted(parts):
        lines += _part(name, parts[name], parts)
    return "\n".join(lines)


def _part(name: str, part: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## {name}", "", _line(part.get("description", "")), "")
    yield from ("| key | value | default | meaning |", "|---|---|---|---|")
    required = part.get("required", ())
    for key, field in part.get("properties", {}).items():
        default = "(required)" if key in required else _default(field)
        inner = parts.get(_name(field), {})
        meaning = field.get("description") or inner.get("description", "")
        yield f"| `{key}` | {_type(field)} | {default} | {_line(meaning)} |"
    yield ""


def _parts(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping that the schema describes, by title; some stand where they are used."""
    if isinstance(node, Mapping):
        if "properties" in node and "title" in node:
            yield str(node["title"]), node
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from _parts(inner)


def _name(field: Mapping[str, Any]) -> str:
    inline = field.get("title", "") if "properties" in field else ""
    return str(field.get("$ref", inline)).rpartition("/")[2]


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return "(see meaning)"
    if _name(field):
        return "(that part's own)"
    return f"`{json.dumps(field['default'])}`"


def _type(field: Mapping[str, Any]) -> str:
    """A schema's type in words."""
    if _name(field):
        name = _name(field)
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf"):
        if word in field:
            return " or ".join(dict.fromkeys(_type(one) for one in field[word]))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    return _plain_type(field) + _limits(field)


def _plain_type(field: Mapping[str, Any]) -> str:
    kind = str(field.get("type", "anything"))
    if kind == "array":
        items = field.get("items") or next(iter(field.get("prefixItems", [{}])))
        return f"list of {_type(items)}"
    if kind == "object":
        patterns = field.get("patternProperties", {})
        inner = next(iter(patterns.values()), field.get("additionalProperties"))
        return f"map to {_type(inner)}" if isinstance(inner, Mapping) else "map"
    words = {"string": "text", "number": "number", "integer": "whole number", "boolean": "flag"}
    return words.get(kind, kind)


def _limits(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return f" ({', '.join(found)})" if found else ""


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def cli_page() -> str:
    """Every verb with its help, as ``kd2edge VERB --help`` prints it."""
    exits = "[exit-codes.md](exit-codes.md)"
    lines = ["# Command line", "", _NOTE, ""]
    lines += [f"`kd2edge --help` lists the verbs; exit codes stand in {exits}.", ""]
    for verb in sorted(VERBS):
        lines += [f"## kd2edge {verb}", "", "```text", _help(verb), "```", ""]
    return "\n".join(lines)


def _help(verb: str) -> str:
    # A fixed width: the page must not depend on the terminal that it is written in.
    parent = kd2edge.make_context("kd2edge", [], resilient_parsing=True, terminal_width=96)
    command = kd2edge.get_command(parent, verb)
    assert command is not None
    context = click.Context(command, parent=parent, info_name=verb, terminal_width=96)
    return command.get_help(context).rstrip()


PAGES = {"recipe.md": recipe_page, "cli.md": cli_page}


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
