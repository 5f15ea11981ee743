"""Checks that are due before a release, beside `.ci/run`: this is the first step of `make release`.

    python -m tests.release [TAG]

The API must have all that the last release had. With a tag, the version, the changelog and the databases for the
upgrade tests must be those of the release. Nothing is changed.
"""

import subprocess
import sys
import tomllib

import yaml

from notesproject.environment import BASE_DIR


def taken_away(before, now):
    """Yield what a client of the older OpenAPI document would miss, as sentences."""
    for path, operations in before["paths"].items():
        for method, old in operations.items():
            new = now["paths"].get(path, {}).get(method)
            yield from taken_from_operation(f"{method.upper()} {path}", before, now, old, new)
    for name, old in before["components"]["schemas"].items():
        new = now["components"]["schemas"].get(name)
        yield from taken_from_schema(name, old, new, is_sent=name.endswith("Request"))


def taken_from_operation(where, before, now, old, new):
    if new is None:
        yield f"{where} is gone."
        return
    parameters = parameters_of(now, new)
    for name, parameter in parameters_of(before, old).items():
        if name not in parameters:
            yield f"{where} no longer takes {name}."
        else:
            yield from taken_from_schema(
                f"{where} {name}", parameter.get("schema", {}), parameters[name].get("schema", {}), is_sent=True
            )
    required = {name for name, parameter in parameters.items() if parameter.get("required")}
    for name in required - parameters_of(before, old).keys():
        yield f"{where} now requires {name}."
    yield from taken_from_content(f"The body of {where}", old.get("requestBody"), new.get("requestBody"), is_sent=True)
    for status, response in old["responses"].items():
        yield from taken_from_content(
            f"The {status} of {where}",
            resolved(before, response),
            resolved(now, new["responses"].get(status)),
            is_sent=False,
        )


def taken_from_content(where, old, new, *, is_sent):
    if old and not new:
        yield f"{where} is gone."
    elif old or new:
        old, new = (old or {}), new
        if is_sent and new.get("required") and not old.get("required"):
            yield f"{where} is now required."
        for media_type, said in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield f"{where} is no longer {media_type}."
            else:
                yield from taken_from_schema(
                    where, said.get("schema", {}), new["content"][media_type].get("schema", {}), is_sent=is_sent
                )


def taken_from_schema(where, old, new, *, is_sent):
    """Compare two schemas. What is sent may become wider, what is answered may have more fields."""
    if new is None:
        yield f"{where} is gone."
        return
    for keyword in ("$ref", "type", "format"):
        if old.get(keyword) != new.get(keyword):
            yield f"{where} had the {keyword} {old.get(keyword)}, and has {new.get(keyword)}."
    required_before, required_now = set(old.get("required", [])), set(new.get("required", []))
    for name in required_now - required_before if is_sent else required_before - required_now:
        yield f"{where}.{name} is now required." if is_sent else f"{where}.{name} is no longer always there."
    for value in set(old.get("enum", [])) - set(new.get("enum", [])) if is_sent and "enum" in new else ():
        yield f"{where} no longer takes {value}."
    for name, schema in old.get("properties", {}).items():
        yield from taken_from_schema(f"{where}.{name}", schema, new.get("properties", {}).get(name), is_sent=is_sent)
    if "items" in old:
        yield from taken_from_schema(f"{where}[]", old["items"], new.get("items"), is_sent=is_sent)


def resolved(document, part):
    while part and "$ref" in part:
        name = part["$ref"].removeprefix("#/")
        part = document
        for key in name.split("/"):
            part = part[key]
    return part


def parameters_of(document, operation):
    every = [resolved(document, parameter) for parameter in operation.get("parameters", [])]
    return {f"{parameter['name']} ({parameter['in']})": parameter for parameter in every}


def git(*arguments):
    result = subprocess.run(["git", *arguments], cwd=BASE_DIR, capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else None


def problems(tag, version, changelog, files):
    """Yield what is not ready to be tagged."""
    if tag != version:
        yield f"pyproject.toml has the version {version}, not {tag}."
    top = next(line for line in changelog.splitlines() if line.startswith("## "))
    if top.split(", ")[0] != f"## {tag}" or "unreleased" in top:
        yield f"The top entry of CHANGELOG.md is “{top}”. It needs the version and the date."
    if not any(name.startswith(f"tests/fixtures/{tag}/") for name in files):
        yield f"There is no database of {tag} for the upgrade tests: make fixtures"


def main(tag=None):
    found = []
    last = git("describe", "--tags", "--abbrev=0", "--match", "[0-9]*")
    if last:
        before = yaml.safe_load(git("show", f"{last.strip()}:openapi.yaml"))
        found += taken_away(before, yaml.safe_load((BASE_DIR / "openapi.yaml").read_text()))
    else:
        print("There is no release yet: nothing to compare the API with.")
    if tag:
        files = git("ls-files").splitlines()
        version = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
        found += problems(tag, version, (BASE_DIR / "CHANGELOG.md").read_text(), files)
        if git("status", "--porcelain"):
            found.append("There are changes that are not committed.")
        if git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}"):
            found.append(f"The tag {tag} is there already.")
    for problem in found:
        print(problem, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
