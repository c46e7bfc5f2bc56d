"""Readers of file formats, one format a module."""
