"""Training: the loop over batches and passes, early stopping, checkpoints."""
