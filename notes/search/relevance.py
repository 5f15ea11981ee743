"""The hits of a search by relevance, page by page."""

from notes.search.engine import Hit, Search, Size
from notes.search.query import Query
from notes.search.ranking import A_FEW, ALL_IN_TITLE, Conditions, groups
from notes.search.words import words

# So many hits are weighed one by one. It bounds the work for a common word.
MOST_WEIGHED = 100


def page(search: Search, after: Hit | None, limit: int) -> list[Hit]:
    """Return at most `limit` hits after the hit `after`.

    Groups are read best first, each newest first. But a few hits are weighed instead, however they are grouped.
    """
    query = search.query
    hits: list[Hit] = []
    excluded: Conditions = []
    for rank, conditions in groups(query):
        if rank == A_FEW:
            if after is None or rank <= after.rank:
                few = weighed(search, excluded, after if after and rank == after.rank else None)
                if few is not None:
                    return (hits + few)[:limit]
            continue
        if after is None or rank <= after.rank:
            position = after.position if after and rank == after.rank else None
            # Better groups have all words in the title, so they need not be looked for in the text.
            terms = query.others if rank >= ALL_IN_TITLE else query.others + query.wanted
            found = search.hits(terms, conditions, excluded, position, limit - len(hits))
            hits += [Hit(rank, position) for position in found]
            if len(hits) == limit:
                break
        excluded = conditions
    return hits


def weighed(search: Search, excluded: Conditions, after: Hit | None) -> list[Hit] | None:
    """Return the hits after the hit `after`, the lightest first; None if there are too many to weigh them.

    A list that was weighed for its first page goes on so, even if others write more such notes meanwhile.
    """
    terms = search.query.others + search.query.wanted
    hits: list[Hit] = []
    last = None
    while True:
        positions = search.hits(terms, [], excluded, last, MOST_WEIGHED + 1)
        is_rest = len(positions) <= MOST_WEIGHED
        if not is_rest and after is None:
            return None
        hits += [Hit(A_FEW, size.position, weight(search.query, size)) for size in search.sizes(positions)]
        if is_rest:
            return sorted((hit for hit in hits if after is None or by_weight(hit) > by_weight(after)), key=by_weight)
        last = positions[-1]


def weight(query: Query, note: Size) -> int:
    """Return the length of the text, halved for each thing wanted that the title has.

    A short text says little besides the words, so it is more likely to be the one that is looked for.
    """
    title = f" {' '.join(words(note.title))} "
    return note.body_bytes >> sum(term.text in title for term in query.wanted)


def by_weight(hit: Hit) -> tuple[int, int]:
    return hit.weight, -hit.position
