"""Schemas are valid, closed, generated, and never reject a file that an earlier release accepts.

Run as a program: `lint` checks the tree, `breaking [REVISION]` compares it with a baseline commit.
Exit codes: 0 fine, 1 problems, 75 when the baseline cannot be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = "schemas"
SUFFIX = ".schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
COULD_NOT_RUN = 75

Schema = Any
"""A JSON Schema: a mapping, or true or false."""


# --- lint -----------------------------------------------------------------------------------------


def lint(name: str, schema: Schema) -> list[str]:
    """Return what is wrong with one schema by itself."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict):
        return [f"{name}: not an object"]
    found = [f"{name}: missing key=`{k}`" for k in ("$schema", "$id", "title") if k not in schema]
    if schema.get("$schema") != DIALECT:
        found.append(f"{name}: dialect=`{schema.get('$schema')}` expected=`{DIALECT}`")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        found.append(f"{name}: not a schema at path=`{error.json_path}`: {error.message[:200]}")
    for path, part in subschemas(schema):
        if "properties" in part and "additionalProperties" not in part:
            found.append(f"{name}: says nothing of unknown keys at path=`{path}`")
        if "$ref" in part and resolve(schema, part["$ref"]) is None:
            found.append(f"{name}: dangling $ref=`{part['$ref']}` at path=`{path}`")
    return found


def subschemas(schema: Schema, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema inside a schema with its path, itself first."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key in ("properties", "$defs", "patternProperties"):
        for name, part in schema.get(key, {}).items():
            yield from subschemas(part, f"{path}/{key}/{name}")
    for key in ("items", "additionalProperties", "not", "if", "then", "else", "contains"):
        yield from subschemas(schema.get(key), f"{path}/{key}")
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, part in enumerate(schema.get(key, [])):
            yield from subschemas(part, f"{path}/{key}/{number}")


def resolve(root: Schema, ref: str) -> Schema | None:
    """Return what a local `$ref` points to, or None."""
    if not ref.startswith("#"):
        return None
    part = root
    for word in filter(None, ref[1:].split("/")):
        word = word.replace("~1", "/").replace("~0", "~")
        if not isinstance(part, dict) or word not in part:
            return None
        part = part[word]
    return part


# --- breaking -------------------------------------------------------------------------------------


def breaking(old: Schema, new: Schema) -> list[str]:
    """Return why files that `old` accepts may be rejected by `new`; empty when none can be.

    Knows the keywords that the project's schemas use. Reports more rather than less: a change of a
    keyword that it does not know is a break.
    """
    return Comparison(old, new).compare(old, new, "#")


class Comparison:
    """One comparison of two documents: their roots, and the pairs already under comparison."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self.old_root = old_root
        self.new_root = new_root
        self.seen: set[tuple[str, str]] = set()

    def compare(self, old: Schema, new: Schema, path: str) -> list[str]:
        """Return the breaks between two subschemas."""
        old_ref, new_ref = _ref(old), _ref(new)
        if old_ref and new_ref:
            if (old_ref, new_ref) in self.seen:
                return []
            self.seen.add((old_ref, new_ref))
        if old_ref:
            old = resolve(self.old_root, old_ref)
        if new_ref:
            new = resolve(self.new_root, new_ref)
        if new is True or new == {} or old is False:
            return []
        if not isinstance(old, dict) or not isinstance(new, dict):
            return [] if old == new else [f"{path}: from `{old}` to `{new}`"]
        if _branches(old) or _branches(new):
            return self._branches(old, new, path)
        found = [text for rule in RULES for text in rule(old, new, path)]
        return found + self._children(old, new, path)

    def _branches(self, old: dict[str, Any], new: dict[str, Any], path: str) -> list[str]:
        found = []
        for number, branch in enumerate(_branches(old) or [old]):
            answers = [self.compare(branch, other, path) for other in _branches(new) or [new]]
            if all(answers):
                found.append(f"{path}: nothing accepts branch=`{number}` any more: {answers[0][0]}")
        return found

    def _children(self, old: dict[str, Any], new: dict[str, Any], path: str) -> list[str]:
        found = []
        if new.get("items") is not None:
            found += self.compare(old.get("items", {}), new["items"], f"{path}/items")
        theirs = new.get("properties", {})
        for name, part in old.get("properties", {}).items():
            inside = f"{path}/properties/{name}"
            if name in theirs:
                found += self.compare(part, theirs[name], inside)
            elif new.get("additionalProperties") is False:
                found.append(f"{inside}: removed, and unknown keys are refused")
        unknown = old.get("additionalProperties", True)
        for name in sorted(theirs.keys() - old.get("properties", {}).keys()):
            if unknown is not False:  # what was let through unseen is looked at now
                before = {} if unknown is True else unknown
                found += self.compare(before, theirs[name], f"{path}/properties/{name}")
        extra = new.get("additionalProperties")
        if isinstance(extra, dict):
            before = old.get("additionalProperties", {})
            found += self.compare(before, extra, f"{path}/additionalProperties")
        return found


def _ref(schema: Schema) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, dict) else ""


def _branches(schema: dict[str, Any]) -> list[Schema]:
    branches: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    return branches


def _required(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    for name in sorted(set(new.get("required", [])) - set(old.get("required", []))):
        yield f"{path}: newly required key=`{name}`"


def _closed(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    was_open = old.get("additionalProperties", True) is not False
    if was_open and new.get("additionalProperties", True) is False:
        yield f"{path}: unknown keys are refused now"


def _types(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    wanted, given = _type_set(new), _type_set(old)
    if wanted and (not given or not given <= wanted):
        yield f"{path}: type from `{old.get('type')}` to `{new.get('type')}`"


def _type_set(schema: dict[str, Any]) -> set[str]:
    kind = schema.get("type")
    words = set(kind) if isinstance(kind, list) else {kind} if kind else set()
    if not words:
        words = {_json_type(value) for value in _value_list(schema) or []}
    return words | {"integer"} if "number" in words else words


def _json_type(value: object) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else kinds.get(type(value), "object")


def _values(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    after = _value_list(new)
    if after is None:
        return
    before = _value_list(old)
    if before is None:
        yield f"{path}: values are limited now: `{after}`"
    elif lost := sorted(set(map(json.dumps, before)) - set(map(json.dumps, after))):
        yield f"{path}: values refused now: `{lost}`"


def _value_list(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _exact(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    for key in ("pattern", "format", "allOf", "not", "if", "contains", "patternProperties"):
        if key in new and new[key] != old.get(key):
            yield f"{path}: {key} from `{old.get(key)}` to `{new[key]}`"
    if new.get("uniqueItems") and not old.get("uniqueItems"):
        yield f"{path}: items must be unique now"


def _bounds(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    for key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
        if key in new and (key not in old or new[key] > old[key]):
            yield f"{path}: {key} from `{old.get(key)}` to `{new[key]}`"
    for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
        if key in new and (key not in old or new[key] < old[key]):
            yield f"{path}: {key} from `{old.get(key)}` to `{new[key]}`"


Rule = Callable[[dict[str, Any], dict[str, Any], str], Iterator[str]]
RULES: tuple[Rule, ...] = (_required, _closed, _types, _values, _exact, _bounds)


def compare_all(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """Return the breaks over all schemas by file name; a schema that went away is one."""
    found = [f"{name}: removed" for name in sorted(set(old) - set(new))]
    for name in sorted(set(old) & set(new)):
        found += [f"{name}: {text}" for text in breaking(old[name], new[name])]
    return found


# --- the program ----------------------------------------------------------------------------------


def committed() -> dict[str, Schema]:
    """Return the schemas of the working tree by file name."""
    paths = sorted((ROOT / FOLDER).glob(f"*{SUFFIX}"))
    return {path.name: json.loads(path.read_text("utf-8")) for path in paths}


def git(*words: str) -> str | None:
    """Return what git prints, or None when it fails."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def baseline() -> str | None:
    """Return the commit of `audit.baseline`, else the first commit; None when it is not here."""
    definition = ROOT / "audit.toml"
    table = tomllib.loads(definition.read_text("utf-8")) if definition.exists() else {}
    named = table.get("audit", {}).get("baseline")
    if named:
        return (git("rev-parse", "--verify", f"{named}^{{commit}}") or "").strip() or None
    if (git("rev-parse", "--is-shallow-repository") or "true").strip() != "false":
        return None
    return (git("rev-list", "--max-parents=0", "HEAD") or "").split()[-1]


def schemas_at(commit: str) -> dict[str, Schema]:
    """Return the schemas of a commit by file name."""
    names = (git("ls-tree", "--name-only", commit, f"{FOLDER}/") or "").split()
    texts = {Path(n).name: git("show", f"{commit}:{n}") for n in names if n.endswith(SUFFIX)}
    return {name: json.loads(text) for name, text in texts.items() if text}


def run_lint() -> tuple[int, list[str]]:
    """Return the exit code and lines of `lint`."""
    found = [text for name, schema in committed().items() for text in lint(name, schema)]
    count = len(committed())
    if not count:
        found.append("no schema found")
    return (1, found) if found else (0, [f"schemas are valid, closed and resolve: count=`{count}`"])


def run_breaking(revision: str | None) -> tuple[int, list[str]]:
    """Return the exit code and lines of `breaking`."""
    commit = revision or baseline()
    if commit is None:
        return COULD_NOT_RUN, ["the baseline commit is not in this clone (shallow, or no such tag)"]
    old = schemas_at(commit)
    found = compare_all(old, committed())
    said = f"no break since commit=`{commit[:12]}` schemas_then=`{len(old)}`"
    return (1, found) if found else (0, [said])


def main(words: list[str]) -> int:
    """Run `lint` or `breaking`; print the lines and return the exit code."""
    if words[:1] == ["breaking"]:
        code, lines = run_breaking(words[1] if words[1:] else None)
    else:
        code, lines = run_lint()
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
