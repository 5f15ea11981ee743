"""Log lines, as text or as JSON. None shows a secret, and none is forged by a stranger."""

import json
import logging
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from notes import keys


class TextFormatter(logging.Formatter):
    """A line for people."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        moment = f"{text_of(int(record.created))},{record.msecs:03.0f}"
        return f"{moment} {record.levelname} {record.name} [{record.request_id}] {record.message}"  # type: ignore[attr-defined]


# To make it for each line would take as long as all the rest of the line.
@lru_cache(maxsize=1)
def text_of(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


class JSONFormatter(JsonFormatter):
    """A JSON object for programs. A message that is a NamedTuple gives its fields as members."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        if hasattr(record.msg, "_asdict"):
            log_data |= record.msg._asdict()


class Stderr(logging.StreamHandler[TextIO]):
    """Standard error. It shows no API key and none of the `secrets`, whoever sent them, and in whatever place.

    What strangers write neither begins a line nor commands a terminal: further lines of a record begin with a bar.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # Also as they stand within quotes, and in JSON.
        quoted = {shown for text in secrets for shown in (text, repr(text)[1:-1])}
        self.secrets = quoted | {json.dumps(text)[1:-1] for text in quoted}

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not text.isprintable():
            text = "\n| ".join(map(printable, text.split("\n")))
        if keys.PREFIX in text:
            text = keys.IN_TEXT.sub("***", text)
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def printable(line: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


class ShortSecurityFilter(logging.Filter):
    """Cuts messages about suspicious requests to one short line: strangers write the text and could fill the log."""

    MAX_CHARS = 200

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.msg, record.args = f"%.{self.MAX_CHARS}r", (record.getMessage(),)
            record.exc_info = record.exc_text = None
        return True


def leave_out_origins() -> None:
    """Do not look for the file, thread and process of each line: ours name none of them.

    See https://docs.python.org/3/howto/logging.html#optimization.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
