"""Files that are whole or not there, tables, locks, and the command line."""
