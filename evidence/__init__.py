"""What an audit leaves behind: its records, its seal, its judge and its verifier.

The kernel (`codec`, `model`, `chain`, `journal`, `layout`, `judge`, `verify`, `standalone`) imports
nothing but the standard library, so that the verifier in every bundle is generated from it.
"""
