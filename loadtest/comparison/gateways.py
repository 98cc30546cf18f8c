"""The gateways that people use instead, as downloads on demand: none is a dependency of ringest."""

GATEWAYS = {}
"""Contenders by name; `loadtest/compare --server NAME` runs one."""
