"""Trouble on request: what AWS does to its callers on a bad day."""
