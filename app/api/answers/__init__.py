"""Answers that are not plain JSON documents: pictures, files, pages, layers."""
