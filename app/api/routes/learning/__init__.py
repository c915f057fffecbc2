"""Labels, and the classes that are learned from them."""
