"""The id of the request in hand: one name for it in the answer, the log lines and the log of writes."""

import logging
from contextvars import ContextVar

current = ContextVar("request_id", default="-")


class RequestIdFilter(logging.Filter):
    """Gives every log record the id of the request it was made in."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get()
        return True
