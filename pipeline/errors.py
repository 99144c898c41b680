"""What ends a command; the command line turns each into one line and an exit code."""


class UsageError(ValueError):
    """The caller asked for what cannot be done; the text says what to change. Exit code 2."""


class Failed(RuntimeError):
    """The work could not be done; the text says why and what helps. Exit code 1."""
