"""What ends a command; the command line turns each into one line and an exit code."""

import os

DONE, FAILED, USAGE = 0, 1, 2
BUSY = os.EX_TEMPFAIL
"""75, in sysexits.h "the user is invited to retry": another run of the schedule is under way."""


class UsageError(ValueError):
    """The caller asked for what cannot be done; the text says what to change. Exit code 2."""


class Failed(RuntimeError):
    """The work could not be done; the text says why and what helps. Exit code 1."""
