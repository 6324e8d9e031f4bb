"""Training by a recipe: what is learned, what is watched meanwhile, what is kept."""
