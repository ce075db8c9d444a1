"""Vmeste: the evidence pipeline of a mentoring programme."""
