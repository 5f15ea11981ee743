"""Every package is pinned with hashes. Named, compiled and installed packages agree. The version is said once."""

import re
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from notesproject.settings import BASE_DIR, SPECTACULAR_SETTINGS

pytestmark = pytest.mark.once

PYPROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
PROJECT, DEV = PYPROJECT["project"], PYPROJECT["dependency-groups"]["dev"]
GROUPS = {
    "requirements-dev.txt": "dev",
    "tests/browser/requirements.txt": "browser",
    "benchmarks/requirements.txt": "bench",
    ".ci/clients/requirements.txt": "clients",
}
DIRECT = {"requirements.txt": PROJECT["dependencies"]} | {
    name: PYPROJECT["dependency-groups"][group] for name, group in GROUPS.items()
}


def entries(name):
    """Return what a compiled file pins, each entry on one line and without comments."""
    text = re.sub(r"^ *#.*\n", "", (BASE_DIR / name).read_text(), flags=re.MULTILINE)
    return text.replace("\\\n", "").splitlines()


def pinned(name):
    """Return {package: requirement} of a compiled file."""
    requirements = [Requirement(entry.partition(" --hash")[0]) for entry in entries(name)]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


@pytest.mark.parametrize("name", DIRECT)
def test_every_line_is_one_version_with_hashes(name):
    for entry in entries(name):
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [^-]+?)? ( *--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("name", DIRECT)
def test_no_address_of_an_index_is_in_the_file(name):
    assert not re.search(r"://|--(extra-)?index|--find-links", (BASE_DIR / name).read_text())


@pytest.mark.parametrize(("name", "direct"), list(DIRECT.items()))
def test_what_we_use_directly_is_compiled_as_it_is_named(name, direct):
    compiled = pinned(name)

    for requirement in map(Requirement, direct):
        assert str(requirement.specifier).startswith("=="), requirement
        packages = [requirement.name, *(f"{requirement.name}-{extra}" for extra in requirement.extras)]
        for package in packages:
            assert compiled[canonicalize_name(package)].specifier == requirement.specifier, "make lock"


def test_nothing_is_compiled_as_ours_that_we_do_not_name():
    compiled = (BASE_DIR / "requirements-dev.txt").read_text()
    entry = r"^([\w.-]+)==.*\n(?: +--hash.*\n)+((?: +#.*\n)+)"

    ours = {package for package, reasons in re.findall(entry, compiled, re.MULTILINE) if PROJECT["name"] in reasons}

    assert ours == {canonicalize_name(Requirement(text).name) for text in [*PROJECT["dependencies"], *DEV]}, "make lock"


def test_tests_run_with_what_the_service_runs_with():
    service, development = pinned("requirements.txt"), pinned("requirements-dev.txt")

    assert {package: str(service[package].specifier) for package in service} == {
        package: str(development[package].specifier) for package in service
    }


def test_what_the_service_shares_with_its_peers_is_of_one_version():
    service, peers = pinned("requirements.txt"), pinned("benchmarks/requirements.txt")

    shared = service.keys() & peers.keys()
    assert "django" in shared
    assert {package: str(service[package].specifier) for package in shared} == {
        package: str(peers[package].specifier) for package in shared
    }


def test_what_is_installed_is_what_is_pinned():
    expected = {
        package: str(requirement.specifier).removeprefix("==")
        for package, requirement in pinned("requirements-dev.txt").items()
        if requirement.marker is None or requirement.marker.evaluate()
    }

    assert {package: version(package) for package in expected} == expected, "make .venv/installed-dev"


def test_the_version_is_said_once():
    changelog = (BASE_DIR / "CHANGELOG.md").read_text()

    assert re.search(r"^## (\S+), ", changelog, flags=re.MULTILINE)[1] == PROJECT["version"]
    assert SPECTACULAR_SETTINGS["VERSION"] == PROJECT["version"]
