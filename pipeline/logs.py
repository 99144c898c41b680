"""Log lines, for people or for machines; never with article text in them."""

from __future__ import annotations

import datetime as dt
import json
import logging
import warnings

# Beam speaks of what it could import and of type hints it cannot read; its executor prints a
# traceback for each of four attempts before the error reaches us, who report it once.
QUIET = {
    "apache_beam": logging.WARNING,
    "apache_beam.io.filesystems": logging.ERROR,
    "apache_beam.runners.direct.executor": logging.CRITICAL,
    "apache_beam.options.pipeline_options": logging.ERROR,
    # A traceback for each attempt to find Google's credentials; then Beam goes on without.
    "apache_beam.utils.retry": logging.ERROR,
    "trafilatura": logging.CRITICAL,
    "htmldate": logging.CRITICAL,
}


# Said through the root logger, at import, of parts of Beam that this project does not use.
NOISE = ("apitools not found", "Resource module is not available")


def _worth_saying(record: logging.LogRecord) -> bool:
    return not (record.name == "root" and record.getMessage().startswith(NOISE))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": dt.datetime.fromtimestamp(record.created, dt.timezone.utc).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(log_format: str = "text") -> None:
    """Sends log lines to standard error.

    Args:
        log_format: text or json.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_worth_saying)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Google's libraries say at import that they will leave Python 3.10; nobody here can act on it.
    warnings.filterwarnings("ignore", "You are using a .*Python version", FutureWarning)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
