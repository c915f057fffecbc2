"""Evaluation of a bundle on a folder of images."""
