"""Reads the whole list, page by page, and proves that it is whole."""
