"""Comparison of two snapshots: pair selection, merge join of the records, change store, result."""
