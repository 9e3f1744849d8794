"""Arco: a file-native lakehouse catalog and orchestrator on object storage, without a database."""
