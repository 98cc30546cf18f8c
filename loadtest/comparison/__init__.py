"""The modules of `loadtest/compare` and `loadtest/flood`; standard library only."""


class Fault(Exception):
    """Why a row has no figures; the row shows the message."""
