"""How fast the engine is, beside other engines: works, sides, and their processes."""
