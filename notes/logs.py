"""Log lines: cuts what Django and libraries write to one line."""

import logging


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
