"""What makes evidence trusted after a run: comparing, explaining, carrying over, asking again.

Rooms here take the records of sealed runs and say something about them. What a room decides is a
pure function; bundles are never written to.
"""
