"""Benches: how fast this machine is, in the forms that machines read (DESIGN section 10)."""
