"""Requests to a WSGI application in this process, past Django's test client: what a server would hand over."""

import io


def environ_of(method, path, body=b"", **variables):
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "HTTP_X_REQUEST_ID": "one",
        **variables,
    }


def answer(application, environ):
    """Return the status line, the headers, and the content."""
    said = []
    response = application(environ, lambda *status_and_headers: said.extend(status_and_headers))
    content = b"".join(response)
    if hasattr(response, "close"):
        response.close()
    return said[0], sorted(said[1]), content
