"""What is refused, and why."""


class Refused(Exception):
    """Something does not verify, or is not what it should be; the text says what and which."""
