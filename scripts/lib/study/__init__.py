"""What is to be run: the checked configuration, and what rules look up in it."""
