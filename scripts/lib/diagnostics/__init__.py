"""What the step `diagnostics` measures, and what its rules ask of it."""
