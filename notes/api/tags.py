"""Views of the tags of a notebook."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from notes.api import operations
from notes.api.notebooks import WritingView
from notes.api.pagination import KeysetPagination
from notes.api.schema import IDEMPOTENCY_KEY
from notes.api.serializers import RenamedTagSerializer, RenameTagSerializer, TagSerializer
from notes.models import Tag
from notes.tags import key

PREFIX = OpenApiParameter("prefix", str, description="Only tags that begin so, in any case.")


@extend_schema_view(list=extend_schema(summary="List the tags, in alphabetical order", parameters=[PREFIX]))
class TagViewSet(WritingView, ListModelMixin, GenericViewSet):
    """Tags: their names, and how many live notes bear each. A tag is there as long as a note bears it."""

    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    page_order = ["key"]
    query_params = {"list": {*KeysetPagination.query_params, "prefix"}}
    error_statuses = {"rename": {404, 422}}

    def get_queryset(self):
        return self.notebook.tags.beginning_with(key(self.request.query_params.get("prefix", "")))

    @extend_schema(
        summary="Rename a tag on all notes that bear it",
        request=RenameTagSerializer,
        responses=RenamedTagSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], serializer_class=RenameTagSerializer)
    def rename(self, request, *args, **kwargs):
        """Each note is edited, as a write with its own number; all in one transaction. `notes` says how many."""
        return self.write(operations.rename_tag)

    def numbers(self, outcome):
        # Without the name, which a purge could not take out of the receipt.
        return {"notes": outcome["notes"]}

    def outcome_of(self, receipt):
        return {"name": operations.wanted_tag(self.request.data)["name"], **receipt.outcomes}

    def answer(self, outcome):
        return Response(outcome)
