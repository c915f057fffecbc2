"""Documents of labels and classes."""
