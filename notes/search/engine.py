"""What both databases share of one search in one notebook."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from notes.search.query import Query, Term
from notes.search.ranking import Conditions

TABLE = "notes_search"


class Hit(NamedTuple):
    """A note that a search found: the rank of its group, its position, and its weight if it was weighed."""

    rank: int
    position: int
    weight: int = 0


class PositionRange(NamedTuple):
    """The positions from `first` up to, not including, `end`. None means no bound."""

    first: int | None = None
    end: int | None = None


EVERYWHERE = PositionRange()


class SQL(NamedTuple):
    text: str
    params: Sequence[Any] = ()


class Size(NamedTuple):
    """How much a note says, and under which title."""

    position: int
    title: str
    body_bytes: int


class NotebookOfIndex(Protocol):
    """What the index needs of a notebook."""

    pk: int


class Search(ABC):
    """One search in one notebook."""

    # Up to this many candidates are checked one by one; beyond, each hit is looked up among them.
    FEW = 1000
    POSITION: ClassVar[str]
    FENCE: ClassVar[str]
    # Both databases know it without reading the text.
    BODY_BYTES: ClassVar[str]

    def __init__(
        self,
        cursor: CursorWrapper,
        notebook: NotebookOfIndex,
        query: Query,
        *,
        ascending: bool = False,
        candidates: QuerySet | None = None,
        position_range: PositionRange = EVERYWHERE,
    ) -> None:
        self.cursor = cursor
        self.notebook = notebook
        self.query = query
        self.ascending = ascending
        first, end = position_range
        self.bounds = f" AND {self.POSITION} >= {first}" if first is not None else ""
        self.bounds += f" AND {self.POSITION} < {end}" if end is not None else ""
        self.among_few, self.is_candidate = False, SQL("")
        if candidates is not None:
            few = list(candidates.order_by().values_list("position", flat=True)[: self.FEW + 1])
            if len(few) <= self.FEW:
                self.among_few, self.bounds = True, self.bounds_of(few)
            else:
                note = candidates.order_by().filter(position=RawSQL(f"{TABLE}.{self.POSITION}", ())).values("pk")
                text, params = note.query.get_compiler(connection=connection).as_sql()
                self.is_candidate = SQL(f" AND EXISTS ({text}{self.FENCE})", params)

    @abstractmethod
    def bounds_of(self, positions: list[int]) -> str:
        """Return the SQL condition that a note is at one of these positions."""

    @abstractmethod
    def hits(
        self, terms: list[Term], conditions: Conditions, excluded: Conditions, after: int | None, limit: int
    ) -> list[int]:
        """Return the positions of at most `limit` notes after `after` that meet all terms and conditions.

        Notes that meet all the excluded conditions are left out: they are hits of a better group.
        """

    def sizes(self, positions: list[int]) -> list[Size]:
        if not positions:
            return []
        each = ", ".join(map(str, positions))
        self.cursor.execute(
            f"SELECT position, title, {self.BODY_BYTES} FROM notes_note "
            f"WHERE position IN ({each}) AND notebook_id = %s",
            [self.notebook.pk],
        )
        return [Size(*row) for row in self.cursor.fetchall()]

    def bounds_after(self, position: int | None) -> str:
        """Return the SQL condition that a note is within the bounds and, if a position is given, after it."""
        if position is None:
            return self.bounds
        return f"{self.bounds} AND {self.POSITION} {'>' if self.ascending else '<'} {position}"

    @property
    def direction(self) -> str:
        return "ASC" if self.ascending else "DESC"
