"""What brings images in."""
