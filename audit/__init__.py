"""The audit engine: runs a release's command matrix, judges the evidence and shows the verdict."""

__version__ = "0.1.0"
