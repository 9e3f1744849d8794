"""What a release is made of: its tag, changelog, notes, bills of materials and evidence pack.

Rules here are pure functions from what was read at the tag to a `Check`; git is read in `material`
and the disk is written in `pack`. Whether the audit itself says GO is not asked here.
"""
