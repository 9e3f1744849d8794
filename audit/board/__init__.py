"""The review board: a page on this machine where an approver looks at a run, and signs it.

Here live the pages, the session that guards them, and what the server process signs. Which gates
are a role's, what an approval holds and whether it counts is decided in `audit.trust`. Only this
room speaks Starlette and uvicorn; both are optional, so nothing is imported here.
"""
