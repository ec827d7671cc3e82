"""The stored form: where files lie, what a manifest says, how records are written down."""
