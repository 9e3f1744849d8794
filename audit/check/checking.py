"""One check from end to end: read the tracker, open its tree, apply every rule, report.

Here the order is kept and the repository is opened and closed. Rules live in `rules_*`.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from audit.check.claims import read_claim
from audit.check.context import gather
from audit.check.finding import Report, report
from audit.check.rules_documents import check_documents
from audit.check.rules_matrix import check_matrices
from audit.check.rules_paths import check_paths
from audit.check.rules_tracker import check_tracker
from audit.check.tracker import Tracker, read_tracker
from audit.check.tree import Folder, Revision, Tree, clean
from audit.errors import AuditError, Invalid
from audit.repo import Repository


def check(tracker: Path, repo: Path | None = None, rev: str | None = None) -> Report:
    """Return every claim of a tracker that its own evidence does not carry.

    `repo` is the folder that the tracker's paths are relative to; without it, the nearest folder
    above the tracker in which they resolve. With `rev` paths, status files and logs are looked up
    at that revision, else as they lie in the folder. Documents are read beside the tracker.

    Raises:
        Invalid: the tracker cannot be read or has another shape; no such folder or revision.
    """
    value = read_tracker(tracker)
    if repo is not None and not repo.is_dir():
        raise Invalid("no such folder", place=str(repo), next_step="name it with --repo DIR")
    root = repo if repo is not None else find_root(value)
    if rev is not None and root is None:
        problem = f"no repository to look up a revision in rev=`{rev}`"
        raise Invalid(problem, place=str(tracker), next_step="name it with --repo DIR")
    with ExitStack() as stack:
        repository = _repository(root, rev)
        if repository:
            stack.callback(repository.close)
        context = gather(value, root, _tree(root, repository, rev), repository, rev)
        rules = (check_tracker, check_paths, check_documents, check_matrices)
        found = [item for rule in rules for item in rule(context)]
    return report(context.file, found)


def _repository(root: Path | None, rev: str | None) -> Repository | None:
    """Return the opened repository. Without a revision it only serves the baseline's history, so
    a folder that git refuses is checked all the same, and the history could not be."""
    if root is None:
        return None
    if rev is None:
        try:
            return Repository.open(root) if (root / ".git").exists() else None
        except AuditError:
            return None
    repository = Repository.open(root)
    if rev.startswith("-") or repository.commit(rev) is None:
        repository.close()
        next_step = "name a commit, branch or tag that this clone holds"
        raise Invalid(f"unknown revision rev=`{rev}`", place=str(root), next_step=next_step)
    return repository


def _tree(root: Path | None, repository: Repository | None, rev: str | None) -> Tree | None:
    if root is None:
        return None
    return Revision(repository, rev) if repository and rev is not None else Folder(root)


def find_root(tracker: Tracker) -> Path | None:
    """Return the nearest folder above the tracker in which its paths resolve, else the nearest
    git repository, else None."""
    folder = tracker.path.resolve().parent
    above = (folder, *folder.parents)
    # Evidence of a gate may be relative to the folder of its run, so it is asked only afterwards.
    evidence = [text for gate in tracker.gates for text in gate.evidence]
    for cited in ([tracker.evidence_root, tracker.matrix.status_file], evidence):
        claims = (read_claim(text).path for text in cited)
        paths = {path for claim in claims if claim and (path := clean(claim))}
        for place in above:
            tree = Folder(place)
            if any(tree.kind(path) for path in paths):
                return place
    return next((place for place in above if (place / ".git").exists()), None)
