"""Views of the API keys of one notebook, for its admin keys."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from notes.api import audit
from notes.api.fields import parsed_uuid
from notes.api.generics import NotebookView
from notes.api.pagination import KeysetPagination, PageParams
from notes.api.problems import NotFound
from notes.api.serializers import KeySerializer, NewKeySerializer, NewKeyWithTextSerializer
from notes.models import ApiKey


@extend_schema_view(
    list=extend_schema(
        operation_id="listKeys", summary="List the keys of the notebook, newest first", parameters=[PageParams]
    )
)
class KeyViewSet(NotebookView, ListModelMixin, GenericViewSet):
    """API keys of this notebook. The text of a key is in the answer to its creation, and nowhere else ever."""

    needs = {"GET": "admin", "POST": "admin", "DELETE": "admin"}
    serializer_class = KeySerializer
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    page_order = ["-created_at", "-id"]
    ignored_headers = {
        **NotebookView.ignored_headers,
        "Idempotency-Key": "Keys are kept in no receipt: the text of a new one is shown once and stored nowhere.",
    }
    query_params = {"list": KeysetPagination.query_params}
    pages = {"list": "notes/key_list.html", "create": "notes/key_made.html"}

    def get_queryset(self):
        return self.notebook.keys.unrevoked()

    @extend_schema(
        operation_id="createKey",
        summary="Make a key",
        request=NewKeySerializer,
        responses={201: NewKeyWithTextSerializer},
    )
    def create(self, request, *args, **kwargs):
        """The answer has the text of the key, this once: store it safely.

        A key cannot outlive the one that made it. An `Idempotency-Key` is refused, as the text is kept nowhere.
        """
        serializer = NewKeySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        raise_400_if_it_outlives(self.access, serializer.validated_data["expires_at"])
        key, text = ApiKey.make(self.access.writer, notebook=self.notebook, **serializer.validated_data)
        audit.log("key_made", request, key=key)
        key.key = text
        # This is the only answer with a secret in it: no cache may store it.
        self.headers["Cache-Control"] = "no-store"
        return Response(NewKeyWithTextSerializer(key).data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="revokeKey", summary="Revoke a key", responses={204: None})
    def destroy(self, request, *args, **kwargs):
        """From then on the key is a 401. There is no way back: make a new one."""
        key_id = parsed_uuid(self.kwargs["id"])
        key = self.get_queryset().filter(pk=key_id).first() if key_id else None
        if key is None or not key.revoke():
            raise NotFound("Key not found.")
        audit.log("key_revoked", request, key=key)
        return Response(status=status.HTTP_204_NO_CONTENT)


def raise_400_if_it_outlives(access, expires_at):
    """A key must not outlive the key that made it."""
    if access.expires_at and (expires_at is None or expires_at > access.expires_at):
        detail = f"Your own key expires at {access.expires_at:%Y-%m-%dT%H:%M:%SZ}; a key it makes cannot outlive it."
        raise ValidationError({"expires_at": [detail]})
