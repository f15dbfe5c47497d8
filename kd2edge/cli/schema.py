"""``kd2edge schema``: the recipe's JSON Schema."""

from __future__ import annotations

import click

from kd2edge.cli.output import emit, json_option


@click.command("schema")
@json_option
def command(as_json: bool) -> None:
    """Print the recipe's JSON Schema.

    Put `# yaml-language-server: $schema=kd2edge.schema.json` at the top of a recipe
    and editors complete from it.
    """
    del as_json  # it is JSON anyway

    from kd2edge.recipe import json_schema

    emit(json_schema())
