"""The one exception of the oracle: input that a receiver has to refuse, with a reason code."""


class Refusal(Exception):
    """`code` is one of the reason codes listed in README.md."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def require(condition, code):
    """Refuses with `code` unless `condition` holds."""
    if not condition:
        raise Refusal(code)


def outcome(function, *args, **kwargs):
    """(True, value) or (False, reason code): what a vector records."""
    try:
        return True, function(*args, **kwargs)
    except Refusal as refusal:
        return False, refusal.code
