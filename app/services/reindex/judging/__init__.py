"""Whether a new index is better than the old one: the evidence, and the verdict of the gate."""
