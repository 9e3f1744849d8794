"""The project's vocabulary: every check has one name here, and CI, audit and laptop use it.

Each session installs from one hash-locked file in `requirements/`. What a session cannot do on this
machine (no interpreter, no database) it says in its last line, and ends with exit code 75.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import nox

ROOT = Path(__file__).parent
VERSIONS = ("3.11", "3.12", "3.13")
"""Every Python that the package claims; CI runs the tests on each."""
COULD_NOT_RUN = 75
"""EX_TEMPFAIL: the check did not happen, which is neither a pass nor a failure."""
PROJECT_LOCKS = (
    *("base", "audit", "tests", "tests-all", "types", "house"),
    *("docs", "e2e", "bench", "board", "conformance"),
)
"""Locks that hold the project's own dependencies, beside those of the session."""
EXTRAS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("tests-all", "types", "e2e"), ("--all-extras",)),
    # The other extras ask for newer releases of what everybody gets, whose bounds count here.
    "lowest": ("--extra=board", "--extra=cloud", "--extra=history", "--extra=trust"),
    "board": ("--extra=board", "--extra=trust"),
    "bench": ("--extra=cloud", "--extra=history", "--extra=iceberg", "--extra=trust"),
}
"""Optional features that a lock holds beside what everybody gets."""
TOOL_LOCKS = ("nox", "lint", "advisories")

SIM_SEEDS, SIM_SEEDS_NIGHTLY = 2_000, 100_000
"""Simulated worlds in every run, and in a night."""

SUITE = ("-n", "auto", "--ignore=tests/house")
"""Words for pytest where the whole suite runs; what `house` runs is left to `house`."""

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "house", "tests", "docs", "doctests"]
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
os.environ.setdefault("UV_SYSTEM_CERTS", "true")  # as pip does: a proxy's certificate counts


def could_not_run(session: nox.Session, reason: str) -> NoReturn:
    """End nox with exit code 75; the reason is the last line that it prints."""
    session.log("this check could not run here")
    print(reason, flush=True)
    raise SystemExit(COULD_NOT_RUN)


def install(session: nox.Session, lock: str) -> None:
    """Install a lock, and nothing that its hashes do not name."""
    session.install("--require-hashes", "-r", f"requirements/{lock}.txt", silent=True)


def install_project(session: nox.Session, lock: str, *, editable: bool = True) -> None:
    """Install a lock that holds the build backend, then the project with no further resolving."""
    install(session, lock)
    target = ["-e", "."] if editable else ["--force-reinstall", "."]
    session.install("--no-build-isolation", "--no-deps", *target, silent=True)


def pytest(session: nox.Session, *words: str, junit: str) -> None:
    """Run pytest with warnings as errors, leaving its results in `build/junit-<name>.xml`."""
    report = f"--junitxml=build/junit-{junit}.xml"
    session.run("python", "-m", "pytest", "-q", report, *words, *session.posargs)


# --- every change ---------------------------------------------------------------------------------


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting; `nox -s lint -- --fix` mends what can be mended."""
    install(session, "lint")
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", ".")
        session.run("ruff", "format", ".")
        return
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def fmt_check(session: nox.Session) -> None:
    """Check formatting alone."""
    install(session, "lint")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy --strict and with pyright, and that they refuse what they must."""
    install_project(session, "types")
    session.run("mypy")
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})
    pytest(session, "tests/arco/test_negative_types.py", junit="types")


@nox.session
def house(session: nox.Session) -> None:
    """Check the import contracts and what imports cannot show: bans, sizes, docstrings."""
    install_project(session, "house")
    pytest(session, "tests/house", junit="house")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests with the base dependencies on the interpreter that runs nox."""
    install_project(session, "tests")
    pytest(session, *SUITE, junit="tests")


@nox.session
def tests_all(session: nox.Session) -> None:
    """Run the tests with every optional feature installed."""
    install_project(session, "tests-all")
    pytest(session, *SUITE, junit="tests-all")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests on exactly the lower bounds that the package declares."""
    install_project(session, "lowest")
    pytest(session, *SUITE, junit="lowest")


@nox.session
def sim(session: nox.Session) -> None:
    """Run the storage protocol in simulated worlds, then with bugs planted that must be caught."""
    install_project(session, "base")
    session.run("arco", "sim", "run", "--seeds", str(SIM_SEEDS), *session.posargs)
    session.run("arco", "sim", "planted")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the guide with warnings as errors."""
    install_project(session, "docs")
    session.run("mkdocs", "build", "--quiet", "--strict", "--site-dir", "build/site")


@nox.session
def doctests(session: nox.Session) -> None:
    """Run every example that stands in a docstring or in the guide."""
    install_project(session, "tests-all")
    words = ("--doctest-modules", "--doctest-glob=*.md", "arco", "audit", "evidence", "docs/guide")
    pytest(session, *words, junit="doctests")


@nox.session
def deny(session: nox.Session) -> None:
    """Refuse licences that are not on the list, banned packages, and anything unpinned."""
    install_project(session, "audit")
    session.run("python", "tests/house/deny.py", *session.posargs)


@nox.session
def advisories(session: nox.Session) -> None:
    """Look the locked packages up in a database of known vulnerabilities."""
    install(session, "advisories")
    report = ROOT / "build" / "advisories.json"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    words = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--timeout=10")
    locks = [word for lock in ("nox", "audit") for word in ("-r", f"requirements/{lock}.txt")]
    session.run(
        "pip-audit", *words, "--format=json", f"--output={report}", *locks, success_codes=[0, 1]
    )
    if not report.exists():
        could_not_run(session, "no advisory database answered")
    said = session.run(
        *("python", "tests/house/advisories.py", str(report)),
        success_codes=[0, COULD_NOT_RUN],
        silent=True,
    )
    last = str(said).strip().splitlines()[-1]
    if not last.endswith("not_looked_up=`0`"):
        could_not_run(session, last)
    session.log(last)


@nox.session
def schemas(session: nox.Session) -> None:
    """Check that every schema is a valid one and is what the models generate."""
    install_project(session, "tests")
    session.run("python", "tests/house/schema_rules.py", "lint")


@nox.session
def breaking(session: nox.Session) -> None:
    """Refuse a schema that would reject files which the baseline's schema accepts."""
    install_project(session, "tests")
    session.run("python", "tests/house/schema_rules.py", "breaking", *session.posargs)


# --- every Python ---------------------------------------------------------------------------------


def interpreter(version: str) -> str | None:
    """Return an interpreter of that version that starts, or None; nothing is ever downloaded."""
    for name in (f"python{version}", "python3", "python"):
        path = shutil.which(name)
        if path is None:
            continue
        probe = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        found = subprocess.run(probe, capture_output=True, text=True, check=False)
        if found.returncode == 0 and found.stdout.strip() == version:
            return path
    return None


def uv_program() -> str | None:
    """Return the uv beside this nox, or on the path."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return shutil.which("uv", path=beside)


def tests_on(session: nox.Session, version: str, python: str) -> None:
    """Run the tests with every optional feature, in an environment made from one interpreter."""
    folder = ROOT / ".nox" / f"pythons-{version}-env"
    own = str(folder / "bin" / "python")
    uv = uv_program()
    make = (uv, "venv", "-q", "--python", python) if uv else (python, "-m", "venv")
    pip = (uv, "pip", "install", "-q", "--python", own) if uv else (own, "-m", "pip", "install")
    if not Path(own).exists():
        session.run(*make, str(folder), external=True, silent=True)
    locked = ("--require-hashes", "-r", "requirements/tests-all.txt")
    project = ("--no-build-isolation", "--no-deps", "-e", ".")
    session.run(*pip, *locked, external=True, silent=True)
    session.run(*pip, *project, external=True, silent=True)
    report = f"--junitxml=build/junit-pythons-{version}.xml"
    session.run(own, "-m", "pytest", "-q", *SUITE, report, *session.posargs, external=True)


def pythons_of(session: nox.Session, versions: tuple[str, ...]) -> None:
    """Run the tests on each of these versions, and say which of them are not here."""
    missing = []
    for version in versions:
        python = interpreter(version)
        if python is None:
            missing.append(version)
        else:
            tests_on(session, version, python)
    if missing:
        could_not_run(session, f"no interpreter found: versions=`{' '.join(missing)}`")


def define_pythons(version: str) -> None:
    """Define the session that runs the tests on one version."""

    @nox.session(name=f"pythons-{version}", python=False)
    def one(session: nox.Session) -> None:
        pythons_of(session, (version,))

    one.__doc__ = f"Run the tests on Python {version}, with every optional feature."


for _version in VERSIONS:
    define_pythons(_version)


@nox.session(python=False)
def pythons(session: nox.Session) -> None:
    """Run the tests on every Python that the package claims, with every optional feature."""
    pythons_of(session, VERSIONS)


# --- slower ---------------------------------------------------------------------------------------


@nox.session
def e2e(session: nox.Session) -> None:
    """Run real processes, kills and a browser; never part of `tests`."""
    install_project(session, "e2e")
    pytest(session, "-o", "addopts=--import-mode=importlib -ra", "tests/e2e", junit="e2e")


@nox.session
def conformance(session: nox.Session) -> None:
    """Hold the stores of the clouds to the suite of every store, on servers of the loopback."""
    install_project(session, "conformance")
    pytest(
        session,
        *("-o", "addopts=--import-mode=importlib -ra", "tests/conformance"),
        junit="conformance",
    )


@nox.session
def nightly(session: nox.Session) -> None:
    """Run everything that is too slow for every change, with fresh seeds.

    The tests go in parallel; what kills processes and measures a browser goes alone after them.
    """
    install_project(session, "e2e")
    fresh = ("-n", "auto", "--hypothesis-profile=nightly")
    contracts = "--ignore=tests/house/test_contracts.py"  # they have no seeds
    pytest(session, *fresh, "tests", contracts, junit="nightly")
    session.env["ARCO_NIGHTLY"] = "1"
    alone = ("-o", "addopts=--import-mode=importlib -ra")
    pytest(session, *alone, "tests/e2e", junit="nightly-e2e")
    # Seeds that no night before has had: from one that nobody chose.
    first = secrets.randbelow(1 << 40)
    words = ("--seeds", str(SIM_SEEDS_NIGHTLY), "--first-seed", str(first))
    session.run("arco", "sim", "run", *words)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and memory beside peers in the same run; `-- bench_storage 5` chooses one."""
    install_project(session, "bench")
    programs = {path.stem: path for path in sorted((ROOT / "tests" / "bench").glob("bench_*.py"))}
    if not programs:
        session.error("there is no tests/bench/bench_*.py")
    words = [word for word in session.posargs if word not in programs]
    for name in [word for word in session.posargs if word in programs] or programs:
        session.run("python", str(programs[name].relative_to(ROOT)), *words)


# --- the release ----------------------------------------------------------------------------------


@nox.session
def audit(session: nox.Session) -> None:
    """Audit this repository; succeeds when the audit worked, whatever it decided."""
    install_project(session, "audit", editable=False)
    session.run("python", "tests/house/own_audit.py", "run", *session.posargs)


@nox.session
def release_gate(session: nox.Session) -> None:
    """Audit this repository; succeeds only when it is ready."""
    install_project(session, "audit", editable=False)
    session.run("python", "tests/house/own_audit.py", "release", *session.posargs)


@nox.session
def gate_report(session: nox.Session) -> None:
    """Render the newest run again without running anything, and check the documents."""
    install_project(session, "audit", editable=False)
    session.run("python", "tests/house/own_audit.py", "report", *session.posargs)


@nox.session
def sign_off(session: nox.Session) -> None:
    """Open the review board over the newest run: `nox -s sign_off -- --role ROLE --key FILE`."""
    install_project(session, "board", editable=False)
    # Ctrl-C is how the board is ended.
    session.run("arco-audit", "serve", *session.posargs, success_codes=[0, 130])


# --- upkeep ---------------------------------------------------------------------------------------


@nox.session(python=False)
def lock(session: nox.Session) -> None:
    """Make `requirements/*.txt` again from `pyproject.toml` and `requirements/*.in`."""
    words = (
        *(uv_program() or "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--python-version", VERSIONS[0]),
        *("--custom-compile-command", "python -m nox -s lock", *session.posargs),
    )
    for name in TOOL_LOCKS:
        _compile(session, words, name, [f"requirements/{name}.in"])
    for name in PROJECT_LOCKS:
        extras = EXTRAS.get(name, ())
        _compile(session, (*words, *extras), name, ["pyproject.toml", f"requirements/{name}.in"])
    lowest = (*words, *EXTRAS["lowest"], "--resolution", "lowest-direct")
    _compile(session, lowest, "lowest", ["pyproject.toml", "requirements/lowest.in"])


def _compile(session: nox.Session, words: tuple[str, ...], name: str, inputs: list[str]) -> None:
    session.run(*words, "-o", f"requirements/{name}.txt", *inputs, external=True)
