"""Metadata tables that databases publish with their recordings, one database a module."""
