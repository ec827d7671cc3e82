"""Change detection: what changed in a fleet from one poll to the next, with a checkpoint that outlives restarts.

Knows no HTTP and no Airflow: it takes records in canonical spelling, and a store of a few JSON values. What is saved are
digests, never contents.
"""
