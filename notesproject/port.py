"""`python -m notesproject.port HOST PORT` fails with one sentence when another program listens there."""

import errno
import socket
import sys


def is_taken(host, port):
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family).close()
    except OSError as error:
        # The server itself reports anything else that is wrong with host or port.
        return error.errno == errno.EADDRINUSE
    return False


if __name__ == "__main__":
    host, port = sys.argv[1:]
    if is_taken(host, port):
        sys.exit(f"Port {port} of {host} is taken by another program. Choose another one, such as: make run PORT=9000")
