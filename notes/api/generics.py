"""What all views of a notebook share: which notebook it is, who has access, and how a write is carried out."""

import math

from django.urls import reverse
from django.utils.functional import cached_property
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated, ParseError, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.views import APIView

from notes.api import retries
from notes.api.answers import Again, Basis
from notes.api.fields import parsed_uuid
from notes.api.middleware import route_of
from notes.api.permissions import NotebookPermission, access_of
from notes.api.preconditions import CONDITIONS, Expected, entity_tag, tag_of_note
from notes.api.preferences import MINIMAL, wants_minimal
from notes.api.query_params import leave_out_empty, raise_400_for_unknown
from notes.api.serializers import NoteSerializer
from notes.api.throttling import AccessThrottle
from notes.commits import committed
from notes.door import Door
from notes.models import ApiKey

# The Allow header of each route: DRF would look for every method on every request.
ALLOWED = {}


class NotebookView(APIView):
    """A view of one notebook: the one that the caller's key opens."""

    permission_classes = [NotebookPermission]
    throttle_classes = [AccessThrottle]
    # The query parameters of each action. All others are a 400.
    query_params = {}
    repeatable_params = frozenset()
    # The templates of its pages, by action. A write that has one shows its answer; others lead back to a page.
    pages = {}
    # The parameters that a form on its list offers.
    filters = None
    # Whether its list shows notes with their bodies, which may be long.
    shows_bodies = False
    # The operation of each action. A view without actions has one, under None.
    writes = {}
    # The writes that look at If-Match and If-None-Match.
    conditional_actions = frozenset()
    # What the answer of an action is made from, "note" or "notebook", if nothing else has a part in it: then it may be
    # given again (see answers.py).
    made_from = {}
    # A write that would ignore one of these headers is refused, for this reason.
    ignored_headers = dict.fromkeys(CONDITIONS, "There is no note here that it could be compared with.")

    @cached_property
    def access(self):
        """What the caller may do here, or None for a stranger who may do nothing. One to three queries, once."""
        access = access_of(self.request)
        if access:
            # For the line of the request in the log.
            self.request._request.notebook = access.notebook.name
        return access

    @property
    def notebook(self):
        return self.access.notebook

    def cost(self, request):
        """Return how many requests this one counts as, under its rate."""
        return 1

    def permission_denied(self, request, message=None, code=None):
        if not request.successful_authenticator:
            raise NotAuthenticated("This needs an API key. Send it as X-API-Key, or as Authorization: Bearer.")
        super().permission_denied(request, message, code)

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        if not hasattr(self, request.method.lower()):
            # A method that the view does not have is a 405, whatever the parameters are.
            return
        if request.accepted_renderer.format == "api":
            leave_out_empty(request)
        known = self.query_params.get(getattr(self, "action", None), set())
        raise_400_for_unknown(request, known, self.repeatable_params)
        self.raise_400_for_ignored_headers(request)

    def raise_400_for_ignored_headers(self, request):
        """A header that a write would ignore is refused, as a field is: silence would lose its sender's intent."""
        if request.method not in SAFE_METHODS and getattr(self, "action", None) not in self.conditional_actions:
            errors = {name: [why] for name, why in self.ignored_headers.items() if name in request.headers}
            if errors:
                raise ValidationError(errors)

    @property
    def default_response_headers(self):
        route = (type(self), *getattr(self, "action_map", ()))
        if route not in ALLOWED:
            ALLOWED[route] = ", ".join(self.allowed_methods)
        return {
            "Allow": ALLOWED[route],
            # The same address shows another notebook to another key, and caches must always ask for the present state.
            "Vary": "Accept, X-API-Key, Authorization, Cookie",
            "Cache-Control": "private, no-cache",
        }

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in getattr(request, "rate_limit", {}).items():
            response[name] = value
        if response.status_code in {200, 304} and response.accepted_renderer.format != "api":
            response.again = self.again(request)
        return response

    def again(self, request):
        """Return how this answer may be given again, or None if it may not."""
        made_from = self.made_from.get(getattr(self, "action", None))
        if made_from is None or request.user.pk:
            return None
        uuid = parsed_uuid(self.kwargs["id"]) if made_from == "note" else None
        basis, ends_at = Basis(uuid=uuid), math.inf
        if isinstance(request.auth, ApiKey):
            basis = Basis(request.auth.digest, uuid)
            # From then on the key has expired, or its use is to be recorded.
            ends_at = min(moment.timestamp() for moment in request.auth.unchanged_until() if moment)
        writer, counts_as = self.access.writer, getattr(request, "counts_as", 1)
        return Again(basis, writer and writer.id, ends_at, counts_as, route_of(request), self.notebook.name)


class WritingView(NotebookView):
    """A view that writes.

    Where an operation returns anything but one Outcome, the view overrides `for_receipt`, `outcome_of`, `response_for`.
    """

    def write(self, **arguments):
        """Carry out the action's operation while the door is open, and answer with its outcome.

        A repeat of an earlier request changes nothing. `arguments` are for the operation alone.
        """
        operation = self.writes[getattr(self, "action", None)]
        fields, expected, key = self.request.data, Expected.of(self.request), retries.key_of(self.request)
        if self.request.method == "PATCH" and not self.request.content_type:
            raise ParseError("There is no body: send what shall change.")
        notebook, writer = self.notebook, self.access.writer

        def carry_out():
            with Door(notebook, writer) as door:
                receipt = retries.receipt_of(door, key)
                if receipt is not None:
                    return receipt, None
                outcome = operation(door, self.kwargs.get("id"), fields, expected, **arguments)
                retries.keep_receipt(door, key, self.request, self.for_receipt(outcome))
                return None, outcome

        receipt, outcome = committed(carry_out)
        if receipt is None:
            return self.response_for(outcome)
        retries.raise_422_if_another_request(receipt, self.request)
        response = self.response_for(self.outcome_of(receipt))
        response["Idempotency-Replayed"] = "true"
        return response

    def for_receipt(self, outcome):
        """Return an outcome as a receipt keeps it: by the number of the write, without content."""
        return [[outcome.status, outcome.note.revision]]

    def outcome_of(self, receipt):
        [outcome] = receipt.outcomes
        return retries.outcome_at(self.notebook, *outcome)

    def response_for(self, outcome):
        if wants_minimal(self.request):
            is_new = outcome.status == status.HTTP_201_CREATED
            response = Response(status=outcome.status if is_new else status.HTTP_204_NO_CONTENT)
            response["Preference-Applied"] = MINIMAL
        elif outcome.status == status.HTTP_204_NO_CONTENT:
            response = Response(status=outcome.status)
        else:
            response = Response(NoteSerializer(outcome.note).data, status=outcome.status)
        renderer_format = self.request.accepted_renderer.format
        response["ETag"] = entity_tag(tag_of_note(outcome.note.revision, self.notebook.epoch, renderer_format))
        if outcome.status == status.HTTP_201_CREATED:
            address = reverse("note-detail", kwargs={"id": str(outcome.note.uuid)})
            response["Location"] = self.request.build_absolute_uri(address)
        return response
