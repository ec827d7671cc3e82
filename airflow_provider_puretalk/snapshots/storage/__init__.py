"""Snapshots in object storage: written, read, kept and removed."""
