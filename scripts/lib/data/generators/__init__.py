"""Data sets that this project draws itself."""
