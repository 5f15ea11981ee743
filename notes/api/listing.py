"""What a list of notes may be asked for."""

from rest_framework import serializers

from notes.api.fields import Moment, Text
from notes.api.query_params import Ids, Names, invalid_parameter
from notes.querysets import positions_between
from notes.search.query import MAX_QUERY_CHARS, Query, QueryTooLong, Term, parse

NOTE_FIELDS = ["id", "title", "body", "tags", "revision", "created_at", "updated_at", "highlights"]
ORDERS = {
    "relevance": None,
    "-created_at": ["-position"],
    "created_at": ["position"],
    "-updated_at": ["-updated_at", "-position"],
    "updated_at": ["updated_at", "position"],
    "-title": ["-title", "-position"],
    "title": ["title", "position"],
}


# In these the search engine itself finds its way, from one hit to the next.
SEARCH_ORDERS = {"relevance", "created_at", "-created_at"}


class NoteListParams(serializers.Serializer):
    """What a list of notes may be asked for."""

    repeatable = {"tag", "without_tag"}

    q = Text(
        required=False,
        allow_blank=True,
        max_length=MAX_QUERY_CHARS,
        help_text='Search: words, "exact phrases", -without, tag:name. The last word may be unfinished.',
    )
    tag = serializers.ListField(child=Text(), required=False, help_text="Notes with this tag; given twice, with both.")
    without_tag = serializers.ListField(child=Text(), required=False, help_text="Notes without this tag.")
    created_after = Moment(required=False)
    created_before = Moment(required=False)
    updated_after = Moment(required=False)
    updated_before = Moment(required=False)
    ids = Ids(required=False, help_text="Up to 100 ids, separated by commas.")
    ordering = serializers.ChoiceField(
        list(ORDERS), required=False, help_text="By relevance when there is a `q`, otherwise the newest first."
    )
    fields = Names(NOTE_FIELDS, required=False, help_text="Only these fields, separated by commas.")
    omit = Names(["body"], required=False, help_text="`body`: without the bodies, for a light list.")

    def validate_q(self, text):
        try:
            return parse(text)
        except QueryTooLong as error:
            raise serializers.ValidationError(str(error)) from None

    def validate(self, params):
        if params.get("ordering") == "relevance" and "q" not in params:
            raise invalid_parameter("ordering", "Nothing is more relevant than anything else without a `q`.")
        if "fields" in params and "omit" in params:
            raise invalid_parameter("omit", "Say `fields` or `omit`, not both.")
        return params


class ListedNotes:
    """What a request for a list of notes asks for, read from its query parameters."""

    def __init__(self, request):
        query = request.query_params
        repeatable = NoteListParams.repeatable
        given = {name: values if name in repeatable else values[0] for name, values in query.lists()}
        serializer = NoteListParams(data={name: given[name] for name in given if name in NoteListParams().fields})
        serializer.is_valid(raise_exception=True)
        self.params = serializer.validated_data
        tags = [Term(tag=name) for name in self.params.get("tag", [])]
        tags += [Term(tag=name, is_negated=True) for name in self.params.get("without_tag", [])]
        self.query = Query((*self.params["q"].terms, *tags)) if "q" in self.params else Query(tuple(tags))
        default = "relevance" if "q" in self.params else "-created_at"
        self.ordering = self.params.get("ordering", default)

    @property
    def is_search(self):
        return bool(self.query.terms)

    @property
    def finds_nothing(self):
        """A search without any word in it, such as "%", is not a search for everything."""
        return "q" in self.params and not self.params["q"].terms

    @property
    def only(self):
        """The names of the fields that each note shall have; None for all."""
        if "omit" in self.params:
            return [name for name in NOTE_FIELDS if name not in self.params["omit"]]
        return self.params.get("fields")

    @property
    def needs_body(self):
        """Tell whether bodies are read: to be shown, or to cut highlights from."""
        shown = self.only or NOTE_FIELDS
        return "body" in shown or ("highlights" in shown and bool(self.query.wanted))

    def filtered(self, notes):
        """Return the notes within the bounds that are asked for; the search comes later."""
        params = self.params
        notes = notes.created_between(params.get("created_after"), params.get("created_before"))
        lookups = {"updated_after": "updated_at__gt", "updated_before": "updated_at__lt", "ids": "uuid__in"}
        filters = {lookup: params[name] for name, lookup in lookups.items() if name in params}
        return notes.filter(**filters)

    @property
    def positions(self):
        """The positions (first, end) that the notes lie in, as far as the bounds of time tell."""
        ends = [self.params[name] for name in ("created_before", "updated_before") if name in self.params]
        return positions_between(self.params.get("created_after"), min(ends, default=None))

    @property
    def has_bounds(self):
        return bool(self.params.keys() & {"created_after", "created_before", "updated_after", "updated_before", "ids"})
