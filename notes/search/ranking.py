"""In which order a search shows its hits."""

from itertools import combinations

from notes.search.query import Term
from notes.search.terms import title_term

WHOLE_TITLE, IN_ORDER_IN_TITLE, ALL_IN_TITLE, ALL_BUT_ONE_IN_TITLE, ONE_IN_TITLE, IN_TEXT = 5, 4, 3, 2, 1, 0


def groups(query):
    """Return [(rank, conditions)], best first; each group's conditions follow from those of the group before it.

    The best notes have the query as their title, then its words next to each other and in order in the title, then all
    of them in the title, all but one of three to eight, one; last come those that have them in the text alone. There is
    no other score: how often a word occurs and how rare it is do not count. That can be told in a sentence, is the same
    in both databases, and never reads more of a common word's million hits than it shows.

    Conditions are a list of alternatives: all of the outer must hold, each by any of its inner terms.
    """
    wanted = query.wanted
    if not wanted:
        return [(IN_TEXT, [])]
    in_title = [Term(tuple(f"={word}" for word in term.words), is_prefix=term.is_prefix) for term in wanted]
    whole = tuple(word for term in wanted for word in term.words)
    result = [(WHOLE_TITLE, [[Term((title_term(whole),))]])]
    if len(wanted) > 1:
        in_order = Term(tuple(f"={word}" for word in whole), is_prefix=wanted[-1].is_prefix)
        result.append((IN_ORDER_IN_TITLE, [[in_order]]))
    result.append((ALL_IN_TITLE, [[term] for term in in_title]))
    if 3 <= len(wanted) <= 8:
        # All but one are there when of any two one is.
        result.append((ALL_BUT_ONE_IN_TITLE, [list(pair) for pair in combinations(in_title, 2)]))
    if len(wanted) > 1:
        result.append((ONE_IN_TITLE, [in_title]))
    return [*result, (IN_TEXT, [])]
