"""The storage format: layout, manifest, JSONL, Parquet, hashing."""
