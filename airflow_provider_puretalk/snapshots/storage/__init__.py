"""Snapshots in object storage: writer, reader, retention, deletion."""
