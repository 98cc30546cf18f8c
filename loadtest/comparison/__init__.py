"""What `loadtest/compare` is made of; Python's standard library only."""


class Fault(Exception):
    """Why a row has no figures; the text stands in the row."""
