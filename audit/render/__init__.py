"""What people read: the gate tracker, Markdown documents, the report page, GitHub's surfaces.

Here live pure functions from records to values and bytes. Reading a bundle and writing files is the
caller's work; the only files opened here are the templates and schemas that ship with the package.
"""
