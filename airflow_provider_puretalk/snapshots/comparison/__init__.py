"""What changed between two snapshots: which two, their records side by side, the changes and what is said of them."""
