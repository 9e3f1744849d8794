"""What a trace says of the files that a cell read, held against what it declares."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import Invalid
from audit.trust import observe
from evidence import model, subject
from evidence.carry import Evidence
from tests.audit.trust import trust_kit as kit
from tests.examples import share
from tests.records import make_cell

TRACE = r"""
7  execve("/usr/bin/sh", ["sh", "-c", "cat src/a.py"], 0x7ffc /* 9 vars */) = 0
7  access("src/relative.py", F_OK)            = 0
7  openat(AT_FDCWD</r/toy>, "src/a.py", O_RDONLY) = 3</r/toy/src/a.py>
7  newfstatat(3</r/toy/src/a.py>, "", {st_mode=S_IFREG|0644, st_size=2}, AT_EMPTY_PATH) = 0
7  openat(4</r/toy/docs>, "x.md", O_RDONLY)   = 5</r/toy/docs/x.md>
7  openat(AT_FDCWD</r/toy>, "conftest.py", O_RDONLY) = -1 ENOENT (No such file or directory)
7  openat(AT_FDCWD</r/toy>, "src/a.py/x", O_RDONLY) = -1 ENOTDIR (Not a directory)
7  openat(AT_FDCWD</r/toy>, "secret", O_RDONLY) = -1 EACCES (Permission denied)
7  chdir("src")                               = 0
7  access("here.py", F_OK)                    = 0
8  openat(AT_FDCWD</r/toy>, "split.py", O_RDONLY <unfinished ...>
7  openat(AT_FDCWD</r/toy/src>, "../up.py", O_RDONLY) = 3</r/toy/up.py>
8  <... openat resumed>)                      = -1 ENOENT (No such file or directory)
7  openat(AT_FDCWD</r/toy/src>, "caf\303\251 \"q\"\n", O_RDONLY) = 3</r/toy/src/x>
7  openat(AT_FDCWD</r/toy/src>, "later", O_RDONLY) = -1 ENOENT (No such file or directory)
7  openat(AT_FDCWD</r/toy/src>, "later", O_WRONLY|O_CREAT, 0666) = 3</r/toy/src/later>
7  openat(AT_FDCWD</r/toy/src>, "/etc/hostname", O_RDONLY) = 3</etc/hostname>
7  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=8} ---
7  +++ exited with 0 +++
"""


def test_a_trace_names_what_was_there_and_what_was_not() -> None:
    found = observe.touches(TRACE.splitlines(keepends=True), "/r/toy")
    assert found == {
        "/usr/bin/sh": True,
        "/r/toy/src/relative.py": True,
        "/r/toy/src/a.py": True,
        "/r/toy/docs/x.md": True,
        "/r/toy/conftest.py": False,
        "/r/toy/src/a.py/x": False,
        "/r/toy/src": True,
        "/r/toy/src/here.py": True,
        "/r/toy/split.py": False,
        "/r/toy/up.py": True,
        '/r/toy/src/café "q"\n': True,
        "/r/toy/src/later": True,
        "/etc/hostname": True,
    }
    assert "/etc/hostname" not in observe.below(found, "/r/toy")
    assert observe.below(found, "/r/toy")["src/a.py"]


@share(50)
@given(
    st.lists(
        st.text(
            st.sampled_from('\\\\x0179nN"</>(), =-ENOT\xe9') | st.characters(max_codepoint=255),
            max_size=40,
        ),
        max_size=8,
    )
)
def test_any_text_is_read_without_a_fall(lines: list[str]) -> None:
    names = observe.touches([*lines, *(f'7 open("{line}") = 3' for line in lines)], "/r")
    assert all(name.startswith("/") for name in names)


def seen_of(*cells: model.Cell) -> Evidence:
    bundle = kit.green()
    plan = replace(bundle.plan, cells=cells)
    paths = (b"src/a.py", b"docs/x.md", b"uv.lock", b"release_evidence/old.log")
    files = tuple(subject.Listed(b"100644", "ab" * 20, path) for path in paths)
    return Evidence(plan, bundle.run, bundle.facts, "cd" * 32, files)


TOUCHED = {
    "src/a.py": True,
    "docs/x.md": True,
    "uv.lock": True,
    "release_evidence/old.log": True,
    "build/made": True,
    "src/b.py": False,
    "docs/y.md": False,
    ".git/config": False,
}


def test_what_is_touched_and_not_declared_is_told() -> None:
    of = seen_of(make_cell("tests", reads=("src/**",)))
    seen = observe.compare(of, "tests", "passed", TOUCHED)
    assert seen.undeclared == ("docs/x.md",)
    assert seen.looked_for == ("docs/y.md",)
    assert seen.files == 4
    told = list(observe.lines(seen))
    assert told[1] == "declared: src/**"
    assert "  docs/x.md" in told


def test_reads_of_what_it_needs_count_and_no_reads_are_all() -> None:
    built = make_cell("build", reads=("docs/**",))
    of = seen_of(built, make_cell("tests", reads=("src/**",), needs=("build",)))
    seen = observe.compare(of, "tests", "passed", TOUCHED)
    assert (seen.undeclared, seen.looked_for) == ((), ())
    of = seen_of(make_cell("tests"))
    seen = observe.compare(of, "tests", "passed", TOUCHED)
    assert (seen.undeclared, seen.looked_for) == ((), ())
    assert "everything" in list(observe.lines(seen))[1]
    with pytest.raises(Invalid, match="no such cell"):
        observe.compare(of, "lint", "passed", TOUCHED)
