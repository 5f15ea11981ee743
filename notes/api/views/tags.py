"""Views of the tags of a notebook."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from notes import renames
from notes.api import operations
from notes.api.generics import WritingView
from notes.api.pagination import KeysetPagination, PageParams
from notes.api.schema import IDEMPOTENCY_KEY
from notes.api.serializers import RenamedTagSerializer, RenameTagSerializer, TagSerializer
from notes.content import folded
from notes.models import TagRename

PREFIX = OpenApiParameter("prefix", str, description="Only tags that begin so, in any case.")


@extend_schema_view(
    list=extend_schema(
        operation_id="listTags", summary="List the tags, in alphabetical order", parameters=[PageParams, PREFIX]
    )
)
class TagViewSet(WritingView, ListModelMixin, GenericViewSet):
    """Tags: their names, and how many live notes bear each. A tag is there as long as a note bears it."""

    serializer_class = TagSerializer
    page_order = ["key"]
    query_params = {"list": {*KeysetPagination.query_params, "prefix"}}
    pages = {"list": "notes/tag_list.html"}
    writes = {"rename": operations.rename_tag}

    def get_queryset(self):
        return self.notebook.tags.beginning_with(folded(self.request.query_params.get("prefix", "")))

    def get_serializer_context(self):
        running = self.notebook.tag_renames.running().first() if self.request else None
        return {**super().get_serializer_context(), "running": running}

    @extend_schema(
        operation_id="renameTag",
        summary="Rename a tag on all notes that bear it",
        request=RenameTagSerializer,
        responses=RenamedTagSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], serializer_class=RenameTagSerializer)
    def rename(self, request, *args, **kwargs):
        """Each note is edited, as a write with its own number; `notes` says how many.

        The notes are renamed a hundred at a time, and others may write in between. Until all are done, the list of
        tags shows `renaming_to`. An interrupted rename goes on when the request is sent again, or the server starts.
        """
        return self.write()

    def for_receipt(self, rename):
        return {"rename": rename.pk}

    def outcome_of(self, receipt):
        if "notes" in receipt.outcomes:
            # Versions before 1.0.0 stored such a receipt: they renamed in one transaction.
            return TagRename(notes=receipt.outcomes["notes"], finished_at=receipt.written_at)
        return self.notebook.tag_renames.get(pk=receipt.outcomes["rename"])

    def response_for(self, rename):
        renames.finish(rename)
        wanted = operations.valid(RenameTagSerializer, self.request.data)
        return Response({"name": wanted["name"], "notes": rename.notes})
