"""Whether a device computes what it should: tried once, in a process of its own."""
