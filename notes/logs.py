"""Log lines: what Django and libraries write is cut to what one line should say."""

import logging


class ShortSecurityFilter(logging.Filter):
    """Cuts what Django calls suspicious to one short line: a stranger writes its text, and could fill the log."""

    MAX_CHARS = 200

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.msg, record.args = f"%.{self.MAX_CHARS}r", (record.getMessage(),)
            record.exc_info = record.exc_text = None
        return True
