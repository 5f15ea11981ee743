"""The order in which a search shows its hits."""

from itertools import combinations
from typing import NamedTuple

from notes.search.query import Query, Term
from notes.search.terms import title_term

WHOLE_TITLE, IN_ORDER_IN_TITLE, ALL_IN_TITLE = 6, 5, 4
# All other hits, if they are few. If not, the groups after this one have them.
A_FEW = 3
ALL_BUT_ONE_IN_TITLE, ONE_IN_TITLE, IN_TEXT = 2, 1, 0


# Each inner list must be met by any one of its terms.
Conditions = list[list[Term]]


class Group(NamedTuple):
    """The hits of one rank: they meet these conditions, and not those of a better group."""

    rank: int
    conditions: Conditions


def groups(query: Query) -> list[Group]:
    """Return the groups, best first; each group's conditions follow from those of the group before it.

    First come notes whose title is the query, then those with its words in the title: side by side and in order, all.
    A few other hits are one group, in which each is weighed (notes/search/relevance.py). More of them are grouped
    again: all words but one in the title (of three to eight), one, and the text alone. This order can be told in two
    sentences and is the same in both databases. It does not read a common word's million hits.
    """
    wanted = query.wanted
    if not wanted:
        return [Group(IN_TEXT, [])]
    in_title = [Term(tuple(f"={word}" for word in term.words), is_prefix=term.is_prefix) for term in wanted]
    whole = tuple(word for term in wanted for word in term.words)
    result = [Group(WHOLE_TITLE, [[Term((title_term(whole),))]])]
    if len(wanted) > 1:
        in_order = Term(tuple(f"={word}" for word in whole), is_prefix=wanted[-1].is_prefix)
        result.append(Group(IN_ORDER_IN_TITLE, [[in_order]]))
    result.append(Group(ALL_IN_TITLE, [[term] for term in in_title]))
    result.append(Group(A_FEW, []))
    if 3 <= len(wanted) <= 8:
        # All words but one are there if and only if any two words include one that is there.
        result.append(Group(ALL_BUT_ONE_IN_TITLE, [list(pair) for pair in combinations(in_title, 2)]))
    if len(wanted) > 1:
        result.append(Group(ONE_IN_TITLE, [in_title]))
    return [*result, Group(IN_TEXT, [])]
