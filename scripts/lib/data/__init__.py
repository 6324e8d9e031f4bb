"""Data sets: what their files say, and how each kind of them is read."""
