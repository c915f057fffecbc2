"""Training: recipes say what to do, the loop does it."""
