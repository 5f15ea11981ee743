"""Django's backend for PostgreSQL, which asks whether a connection lives only where that is in doubt.

Django asks before each request, with a query. Django prescribes the module's name.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self):
        """Ask the server only if there is something to read: one that ends a connection says so at once."""
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.pgconn.socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        return super().is_usable() if poll.poll(0) else True
