"""The published JSON Schemas: what every file looks like, for clients in other languages.

Rules of the room:

- A schema is derived from the record that the codec reads and writes, and from its
  docstring; what is added here by hand are the rules that hold between two fields.
- A schema never says more than the codec enforces, and every file that the codec writes
  is valid. What a schema cannot say (the digits of a number, the agreement key of the
  terms) the codec checks.
- It writes docs/schemas and nothing else: `python -m nom_negotiate.schemas DIRECTORY`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nom_negotiate.core.identity import MAX_ADDRESS_CHARS, Address
from nom_negotiate.core.outcome import OUTCOME_SCHEMA, TRANSACTION_SCHEMA, Outcome, Transaction
from nom_negotiate.core.packed import PACKED_SCHEMA, Packed, PackedKind
from nom_negotiate.core.party import (
    LISTING_SCHEMA,
    PROFILE_SCHEMA,
    SETTINGS_SCHEMA,
    Listing,
    Profile,
    Settings,
)
from nom_negotiate.core.preferences import (
    AUTOPILOT_SCHEMA,
    PREFERENCES_SCHEMA,
    Autopilot,
    Preferences,
)
from nom_negotiate.core.state import STATE_SCHEMA, PartyState
from nom_negotiate.core.terms import MAX_DIGITS, MAX_EXPONENT

Schema = dict[str, Any]

RECORDS: Final[dict[str, tuple[type[msgspec.Struct], str]]] = {
    STATE_SCHEMA: (PartyState, "What one party says: <user>_state.json"),
    OUTCOME_SCHEMA: (Outcome, "The one decision on a negotiation: outcome.json"),
    TRANSACTION_SCHEMA: (Transaction, "One side of a settled deal: transactions/*.json"),
    PROFILE_SCHEMA: (Profile, "Who a party is: init.json"),
    LISTING_SCHEMA: (Listing, "A standing order: listings/*.json"),
    PREFERENCES_SCHEMA: (Preferences, "What a party wants: private/*.json"),
    AUTOPILOT_SCHEMA: (Autopilot, "Leave to negotiate: private/*.autopilot.json"),
    SETTINGS_SCHEMA: (Settings, "How a data root is set up: config.json"),
    PACKED_SCHEMA: (Packed, "What has ended, packed: one line of packs/*.jsonl.gz"),
}

# Files of the original format have no `schema` field, and these two existed in it.
ORIGINAL: Final = frozenset({STATE_SCHEMA, TRANSACTION_SCHEMA})

ADDRESS: Final[Schema] = {
    "type": "string",
    "pattern": "^[^@]+@[^@]+$",
    "maxLength": MAX_ADDRESS_CHARS,
}
KEY: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
DIGITS: Final = f"At most {MAX_DIGITS} significant digits."


def json_schemas() -> dict[str, Schema]:
    """Return the JSON Schema (2020-12) of every file, by the name of its schema."""
    return {name: _published(name, record, title) for name, (record, title) in RECORDS.items()}


def write_schemas(directory: Path) -> list[Path]:
    """Write every schema to `directory`, and return the files; the same bytes each time.

    The schema `nom.state/1` goes to `nom.state-1.schema.json`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, schema in json_schemas().items():
        path = directory / f"{name.replace('/', '-')}.schema.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        files.append(path)
    return files


def _published(name: str, record: type[msgspec.Struct], title: str) -> Schema:
    schema = msgspec.json.schema(record)
    definitions = schema["$defs"]
    described = {
        key: _as_written(_record(record, key), found) if "properties" in found else found
        for key, found in definitions.items()
    }
    root = described.pop(record.__name__)
    root["title"] = title
    root["properties"]["schema"] = {"const": name, "description": "What kind of file this is."}
    if name not in ORIGINAL:
        root["required"] = ["schema", *root["required"]]
    if name == STATE_SCHEMA:
        # In the original format the namespace says the id, and a role may be anything.
        root["required"].remove("negotiation_id")
        del root["properties"]["role"]["$ref"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:nom-negotiate:{name}",
        **root,
        **_RULES.get(name, {}),
        "$defs": described,
    }


def _record(root: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """Return the record of that name among those that `root` is made of."""
    found: list[Any] = [root]
    while found:
        item = found.pop()
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            if item.__name__ == name:
                return item
            found.extend(typing.get_type_hints(item).values())
        found.extend(typing.get_args(item))
    raise LookupError(name)


def _as_written(record: type[msgspec.Struct], schema: Schema) -> Schema:
    """Return msgspec's schema of a record as that of the object that the codec writes."""
    about, fields = _docs(record)
    hints = typing.get_type_hints(record)
    made = {info.name: info.default_factory for info in msgspec.structs.fields(record)}
    properties, optional = {}, set()
    for name, found in schema["properties"].items():
        if name == "extra":
            continue
        found = dict(found)
        # A field without a value is left out of the file: null is never written.
        options = found.pop("anyOf", None)
        if options is not None:
            found |= next(option for option in options if option != {"type": "null"})
            optional.add(name)
        if found.get("default", found) is None:
            del found["default"]
        if made[name] is not msgspec.NODEFAULT:
            # Of those that are always written, msgspec does not say the default.
            found["default"] = msgspec.to_builtins(made[name]())
        properties[name] = _field(name, found, hints[name], fields.get(name))
    return {
        **schema,
        "description": about,
        "properties": properties,
        "required": [name for name in schema["required"] if name not in optional],
    }


def _field(name: str, found: Schema, hint: Any, description: str | None) -> Schema:
    parts = (hint, *typing.get_args(hint))
    if found.get("format") == "decimal":
        least = "exclusiveMinimum" if name.endswith("quantity") else "minimum"
        found = {"type": "number", least: 0, "exclusiveMaximum": 10**MAX_EXPONENT}
        description = f"{description or name} {DIGITS}"
    elif Address in parts:
        # An address, or an object with addresses as names.
        found |= {"propertyNames": ADDRESS} if found.get("type") == "object" else ADDRESS
    if isinstance(found.get("default"), dict):
        default = found["default"].items()
        found["default"] = {k: v for k, v in default if v is not None and k != "extra"}
    return found if description is None else {"description": description, **found}


def _docs(record: type[msgspec.Struct]) -> tuple[str, Mapping[str, str]]:
    """Return what the docstring says of a record, and of each of its fields."""
    fields: dict[str, str] = {}
    for base in reversed(record.__mro__):
        if issubclass(base, msgspec.Struct) and base.__doc__:
            _, _, attributes = inspect.cleandoc(base.__doc__).partition("\nAttributes:\n")
            for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.M):
                fields[name] = _sentence(text)
    about = inspect.cleandoc(record.__doc__ or "").partition("\nAttributes:\n")[0]
    return _sentence(about), fields


def _sentence(text: str) -> str:
    # What is None in a record is no field in a file.
    text = re.sub(r"\bNone\b", "absent", " ".join(text.split()))
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _is(field: str, value: str) -> Schema:
    return {"properties": {field: {"const": value}}, "required": [field]}


def _without(field: str) -> Schema:
    return {"not": {"required": [field]}}


# What holds between the fields of a file.
_RULES: Final[Mapping[str, Schema]] = {
    STATE_SCHEMA: {
        "if": {"required": ["schema"]},
        "then": {
            "required": ["negotiation_id", "counterparty", "role"],
            "properties": {"role": {"$ref": "#/$defs/Role"}, "agreement_key": KEY},
            "if": _is("status", "agreed"),
            "then": {"required": ["offer", "agreement_key"]},
            "else": _without("agreement_key"),
        },
    },
    OUTCOME_SCHEMA: {
        "if": _is("outcome", "agreed"),
        "then": {"required": ["deal", "transactions"]},
        "else": _without("deal"),
    },
    PACKED_SCHEMA: {
        "if": _is("kind", PackedKind.TRANSACTION.value),
        "then": _without("responder"),
    },
}


def main(arguments: list[str]) -> int:
    """Write the schemas to the directory that is named, and print the names of the files."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        # `--help` is no directory that anybody means.
        print("usage: python -m nom_negotiate.schemas DIRECTORY", file=sys.stderr)
        return 2
    for path in write_schemas(Path(arguments[0])):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
