"""Protocols: which samples are in which part."""
