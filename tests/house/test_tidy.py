"""The tree keeps the rules of `tidy`, and each rule catches what it is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tidy

ROOT = Path(__file__).parents[2]
SHIPPED = tidy.read(ROOT, "arco", "audit", "evidence")
TESTS = tidy.read(ROOT, "tests")
LAYOUT = next(source for source in SHIPPED if source.module == tidy.SPELLER)
NAMES = tidy.bundle_names(LAYOUT)


def literals(source: tidy.Source) -> list[tidy.Problem]:
    return tidy.path_literals(source, NAMES)


RULES: list[Callable[[tidy.Source], list[tidy.Problem]]] = [
    tidy.kernel_imports,
    tidy.effects,
    tidy.seeded,
    tidy.dynamic_code,
    tidy.prints,
    literals,
    tidy.sizes,
    tidy.docstrings,
    tidy.future_annotations,
    tidy.promises,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_packages_keep_the_rule(rule: Callable[[tidy.Source], list[tidy.Problem]]) -> None:
    problems = [problem for source in SHIPPED for problem in rule(source)]
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.parametrize("rule", [tidy.sizes, tidy.future_annotations, tidy.promises])
def test_tests_keep_the_rule(rule: Callable[[tidy.Source], list[tidy.Problem]]) -> None:
    planted = "tests/house/test_tidy.py"
    problems = [p for s in TESTS if s.place != planted for p in rule(s)]
    assert not problems, "\n".join(map(str, problems))


def test_functions_stay_short_as_a_whole() -> None:
    measured = tidy.distribution(SHIPPED)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "house.json").write_text(json.dumps({"function_lines": measured}) + "\n")
    assert measured["median"] <= tidy.FUNCTION_LINES_MEDIAN_MAX, measured
    assert measured["p95"] <= tidy.FUNCTION_LINES_P95_MAX, measured


def test_every_room_that_the_rules_name_exists() -> None:
    modules = {source.module for source in SHIPPED}
    named = {*tidy.KERNEL, *tidy.PURE}
    assert named <= modules, f"rules for rooms that are not there: {sorted(named - modules)}"


def test_no_two_test_files_share_a_name() -> None:
    names = [Path(source.place).name for source in TESTS]
    twice = {n for n in names if n.startswith("test_") and names.count(n) > 1}
    assert not twice


LONG = "def f():\n" + "    x = 1\n" * 70
PLANTED = [
    (tidy.kernel_imports, "evidence.judge", "import pydantic"),
    (tidy.kernel_imports, "evidence.verify", "from evidence.redact import Redactor"),
    (tidy.kernel_imports, "evidence.verify", "from evidence import archive"),
    (tidy.kernel_imports, "evidence.chain", "from audit import errors"),
    (tidy.effects, "evidence.judge", "import time"),
    (tidy.effects, "evidence.judge", "from datetime import datetime\nx = datetime.now()"),
    (tidy.effects, "evidence.judge", "import datetime\nx = datetime.datetime.now()"),
    (tidy.effects, "evidence.judge", "import datetime\nx = datetime.date.today()"),
    (tidy.effects, "audit.plan", "x = open('a')"),
    (tidy.effects, "audit.plan", "from pathlib import Path"),
    (tidy.effects, "audit.plan", "def f(p):\n    return p.read_text()"),
    (tidy.effects, "audit.plan", "import random"),
    (tidy.effects, "audit.plan", "from os import path"),
    (tidy.seeded, "arco.sim.world", "import random"),
    (tidy.seeded, "arco.sim.world", "from random import randrange"),
    (tidy.seeded, "arco.sim", "from random import Random\nx = Random()"),
    (tidy.dynamic_code, "audit.plan", "import importlib\nimportlib.import_module('x')"),
    (tidy.dynamic_code, "audit.plan", "__import__('x')"),
    (tidy.dynamic_code, "audit.plan", "eval('1')"),
    (tidy.prints, "audit.plan", "print('x')"),
    (literals, "audit.plan", "x = 'plan.json'"),
    (literals, "audit.plan", "x = f'{root}/command-logs/{cell}.log'"),
    (literals, "audit.plan", "x = folder / 'SHA256SUMS'"),
    (tidy.sizes, "audit.plan", LONG),
    (tidy.sizes, "audit.plan", "\n" * 601),
    (tidy.docstrings, "audit.plan", "x = 1"),
    (tidy.docstrings, "audit.plan", '"""A module."""\ndef f(): return 1'),
    (tidy.docstrings, "audit.plan", '"""A module."""\nclass A:\n  "A"\n  def b(self): return 1'),
    (tidy.future_annotations, "audit.plan", "def f(): return 1"),
    (tidy.promises, "audit.plan", "x = 1  # TODO later"),
    (tidy.promises, "audit.plan", "def f():\n    raise NotImplementedError"),
]


@pytest.mark.parametrize(("rule", "module", "text"), PLANTED)
def test_a_planted_violation_is_caught(
    rule: Callable[[tidy.Source], list[tidy.Problem]], module: str, text: str
) -> None:
    assert rule(tidy.parse(module, text))


ALLOWED = [
    (tidy.kernel_imports, "evidence.judge", "import json\nfrom evidence.model import Plan"),
    (tidy.kernel_imports, "audit.plan", "import pydantic"),
    (tidy.effects, "audit.repo", "import os\nx = open('a')"),
    (tidy.effects, "audit.plan", "from pathlib import PurePosixPath"),
    (tidy.effects, "audit.plan", "def f(plan):\n    return plan.now()"),
    (tidy.seeded, "arco.sim.choices", "from random import Random\nx = Random(7)"),
    (tidy.seeded, "arco.adapters.system", "import random"),
    (tidy.dynamic_code, "audit.cli", "import importlib\nimportlib.import_module('x')"),
    (tidy.dynamic_code, "audit.plan", "import re\nx = re.compile('x')"),
    (tidy.prints, "audit.cli", "print('x')"),
    (literals, "evidence.layout", "PLAN = 'plan.json'"),
    (literals, "audit.plan", '"""Reads plan.json."""\nx = "look at plan.json first"'),
    (tidy.sizes, "audit.plan", LONG.replace("    x = 1\n", "", 1)),
    (tidy.docstrings, "audit.plan", '"""A module."""\ndef _f(): return 1'),
]


@pytest.mark.parametrize(("rule", "module", "text"), ALLOWED)
def test_what_is_allowed_passes(
    rule: Callable[[tidy.Source], list[tidy.Problem]], module: str, text: str
) -> None:
    assert not rule(tidy.parse(module, text))
