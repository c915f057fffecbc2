"""Documents of what brings images in."""
