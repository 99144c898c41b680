"""One open ledger a process, looked up by name.

Beam unpickles a DoFn for every bundle, so a DoFn carries the name of its ledger and looks up the
open one when it needs it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.ledger import Ledger, database_path, default_uri, open_ledger
from pipeline.options import ArticleOptions

_open: dict[LedgerAt, Ledger] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class LedgerAt:
    """The name of a ledger: its URI, and the output it belongs to."""

    # Not shown: it may have a password.
    uri: str = field(repr=False)
    root: str

    @classmethod
    def from_options(cls, options: ArticleOptions) -> LedgerAt:
        """Raises ValueError where --state is of no known kind."""
        uri = options.state or default_uri(Path(options.output))
        database_path(uri)
        return cls(uri, options.output)

    def get(self) -> Ledger:
        """The open ledger of this process, opened on first use; see `open_ledger`."""
        with _lock:
            ledger = _open.get(self)
            if ledger is None:
                ledger = _open[self] = open_ledger(self.uri, Path(self.root))
            return ledger

    def close(self) -> None:
        with _lock:
            ledger = _open.pop(self, None)
        if ledger is not None:
            ledger.close()
