"""Benchmarks: who reads the list how fast."""
