"""Talks to PureTalk: errors, models, one request, a proven reading. Knows no snapshot files and no DAGs."""
