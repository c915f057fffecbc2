"""The papers' tables, computed: every cell once, kept in a file, printed beside the published figure."""
