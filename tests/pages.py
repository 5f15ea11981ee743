"""Lists, read page by page."""


def walk(client, address, direction="next"):
    """Yield page after page; each is asked for when the one before has been looked at."""
    while address:
        page = client.get(address).json()
        assert "results" in page, page
        yield page
        address = page[direction]


def results(client, address):
    """Return what stands on all pages."""
    return [row for page in walk(client, address) for row in page["results"]]
