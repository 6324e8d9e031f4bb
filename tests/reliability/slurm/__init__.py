"""A throw-away SLURM of one machine: python -m tests.reliability.slurm start."""
