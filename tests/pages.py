"""Lists, read page by page."""


def walk(client, address, direction="next"):
    """Yield page after page. Each is requested only after the caller is done with the one before."""
    while address:
        page = client.get(address).json()
        assert "results" in page, page
        yield page
        address = page[direction]


def results(client, address):
    """Return the results of all pages."""
    return [row for page in walk(client, address) for row in page["results"]]
