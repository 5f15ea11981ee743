"""One search in one notebook: what both databases share."""

from django.db import connection
from django.db.models.expressions import RawSQL

TABLE = "notes_search"


class Search:
    """One search in one notebook."""

    # Of so few notes each is looked at for the words, of more each hit is looked up among them.
    FEW = 1000

    def __init__(self, cursor, notebook, query, *, ascending=False, within=None, between=(None, None)):
        self.cursor = cursor
        self.notebook = notebook
        self.query = query
        self.ascending = ascending
        first, end = between
        self.bounds = f" AND {self.POSITION} >= {first}" if first is not None else ""
        self.bounds += f" AND {self.POSITION} < {end}" if end is not None else ""
        self.among_few, self.within, self.within_params = False, "", ()
        if within is not None:
            few = list(within.order_by().values_list("position", flat=True)[: self.FEW + 1])
            if len(few) <= self.FEW:
                self.among_few, self.bounds = True, self.bounds_of(few)
            else:
                note = within.order_by().filter(position=RawSQL(f"{TABLE}.{self.POSITION}", ())).values("pk")
                sql, self.within_params = note.query.get_compiler(connection=connection).as_sql()
                self.within = f" AND EXISTS ({sql}{self.FENCE})"

    def behind(self, position):
        """Return the SQL condition: behind this hit, if there is one, and within the bounds."""
        if position is None:
            return self.bounds
        return f"{self.bounds} AND {self.POSITION} {'>' if self.ascending else '<'} {position}"

    @property
    def direction(self):
        return "ASC" if self.ascending else "DESC"
