"""Reproduction of the papers' tables: each cell is measured once, stored in a file, and printed with the published value."""
