"""`nom schemas`: the JSON Schema of every file, for readers and writers in other languages."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nom_negotiate.cli.app import App, common
from nom_negotiate.schemas import json_schemas, write_schemas
from nom_negotiate.store.files.errnos import reported


@click.command(
    epilog="""\b
Examples:
  nom schemas
  nom schemas docs/schemas
""",
)
@click.argument("directory", required=False, type=click.Path(), metavar="[DIR]")
@common
@click.pass_obj
def schemas(app: App, directory: str | None) -> None:
    """Print the JSON Schemas of all files.

    As one object, by the name of the schema; or, given DIR, one file a schema in there.
    """
    if directory is None:
        # The standard library's writer: a bound in them does not fit into 64 bits.
        app.out.text_of_json(json.dumps(json_schemas(), indent=2, ensure_ascii=False))
        return
    with reported(f"write the schemas to {directory}"):
        written = [str(path) for path in write_schemas(Path(directory))]
    if app.out.as_json:
        app.out.json(written)
        return
    for path in written:
        app.out.text(path)
