"""Cuts scenes and images into tiles."""
