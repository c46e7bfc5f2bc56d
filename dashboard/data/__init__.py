"""Data of the pages: every call into ecgcore, cached."""
