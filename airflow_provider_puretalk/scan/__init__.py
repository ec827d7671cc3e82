"""Scans the whole list, page by page, and proves that it is complete."""
