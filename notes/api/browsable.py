"""The API as pages for people: DRF's browsable API, with a template for each page and a form for each write.

An answer to a program never comes here.
"""

from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from types import SimpleNamespace

from django.contrib.auth import get_user
from django.urls import Resolver404, resolve, reverse
from rest_framework import renderers
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import override_method

from notes import diffs
from notes.api import operations
from notes.api.forms import Form, fields_as_html
from notes.api.problems import NotFound
from notes.api.serializers import NothingSerializer, TrashedNoteSerializer
from notes.models import CONTENT

# The pages, by the names of their routes.
NAMES = {
    "root": "API",
    "note-list": "Notes",
    "note-detail": "{title}",
    "revision-list": "History of {title}",
    "revision-detail": "Revision {number}",
    "trash-list": "Trash",
    "tag-list": "Tags",
    "key-list": "Keys",
    "changes": "Changes",
    "batch": "Batch",
    "me": "Who am I",
}
# What the button of a form says, by the kind of row and the action.
BUTTONS = {
    ("note", "create"): "Create the note",
    ("note", "update"): "Save",
    ("note", "destroy"): "Move to the trash",
    ("revision", "restore"): "Restore this revision",
    ("trash", "destroy"): "Erase for good",
    ("tag", "rename"): "Rename the tag",
    ("key", "create"): "Make the key",
}


class BrowsableAPIRenderer(renderers.BrowsableAPIRenderer):
    def render(self, data, accepted_media_type=None, renderer_context=None):
        self.data, self.renderer_context = data, renderer_context
        view, request, response = (renderer_context[name] for name in ("view", "request", "response"))
        # An ETag names the JSON or the Markdown, so the page has none. Its forms send it back.
        self.etag = response.get("ETag", request.META.get("HTTP_IF_MATCH"))
        del response["ETag"]
        self.is_refused = response.status_code >= 400
        page = getattr(view, "pages", {}).get(getattr(view, "action", None))
        if request.method not in SAFE_METHODS and not self.is_refused and not page:
            # To load the page again must not write again.
            response.status_code, response["Location"] = HTTPStatus.SEE_OTHER, self.address_after()
            return ""
        if self.trashed:
            page = "notes/note_trashed.html"
        elif self.is_refused and not self.filters(view, request):
            page = None
        self.template = page or "rest_framework/api.html"
        return super().render(data, accepted_media_type, renderer_context)

    def address_after(self):
        """Return where a write leads to: the note it wrote, or else the page that its form was on."""
        if self.data and "revision" in self.data:
            return reverse("note-detail", kwargs={"id": self.data["id"]})
        return self.get_breadcrumbs(self.renderer_context["request"])[-1][1]

    @cached_property
    def note(self):
        """The note that the address names, or None if there is none that the caller may see."""
        view = self.renderer_context["view"]
        access, note_id = getattr(view, "access", None), view.kwargs.get("id")
        if access is None or note_id is None:
            return None
        with suppress(NotFound):
            return operations.found(access.notebook, note_id, "live" if access.level == "public" else "unpurged")

    @cached_property
    def trashed(self):
        """The note that the address names as JSON would show it, if it is in the trash."""
        view = self.renderer_context["view"]
        is_page = getattr(view, "basename", None) == "note" and getattr(view, "action", None) == "retrieve"
        return TrashedNoteSerializer(self.note).data if is_page and self.note and self.note.deleted_at else None

    def get_breadcrumbs(self, request):
        """Return (name, address) of the pages that lead to this one, and of this one."""
        parts, crumbs = request.path_info.rstrip("/").split("/"), []
        for count in range(2, len(parts) + 1):
            with suppress(Resolver404):
                route = resolve("/".join(parts[:count]))
                if route.url_name in NAMES:
                    title = self.note.title if "id" in route.kwargs and self.note else "Note"
                    name = NAMES[route.url_name].format(title=title, **route.kwargs)
                    crumbs.append((name, reverse(route.url_name, kwargs=route.kwargs)))
        return crumbs

    def get_name(self, view):
        request = self.renderer_context["request"]
        crumbs = self.get_breadcrumbs(request)
        is_nowhere = request.resolver_match.url_name == "api-not-found"
        return super().get_name(view) if is_nowhere or not crumbs else crumbs[-1][0]

    def get_content(self, *arguments):
        return super().get_content(*arguments) if self.template == "rest_framework/api.html" else ""

    def get_rendered_html_form(self, *arguments):
        """Return nothing in place of DRF's forms: `forms` are ours."""

    def get_context(self, data, accepted_media_type, renderer_context):
        view, request = renderer_context["view"], renderer_context["request"]
        context = super().get_context(data, accepted_media_type, renderer_context)
        forms = self.forms(view, request)
        filters = self.filters(view, request)
        level = getattr(getattr(view, "access", None), "level", None)
        current = data.get("current") if self.is_refused and data else None
        return {
            **context,
            # Some views know nobody, as their answer is the same for every caller. The header of their page does.
            "user": request.user if request.authenticators else get_user(request._request),
            "answer": data,
            "note": self.note,
            "may_write": level in {"write", "admin"},
            "is_refused": self.is_refused,
            "forms": forms,
            "refused_form": forms.get(getattr(view, "action", None)) if request.method not in SAFE_METHODS else None,
            "filters": filters,
            "is_narrowed": any(name in request.query_params for name in filters if name != "q"),
            "trashed": self.trashed,
            "difference": current and "title" in self.typed and self.difference_from(current),
        }

    def difference_from(self, current):
        """Return what the form that was sent would change, in lines."""
        return diffs.for_people(SimpleNamespace(**current), SimpleNamespace(**revised(current, self.typed)))

    @cached_property
    def typed(self):
        """What the person sent, however wrong it is."""
        with suppress(APIException):
            typed = self.renderer_context["request"].data
            return typed if isinstance(typed, dict) else {}
        return {}

    @cached_property
    def errors(self):
        """What is wrong with each field, as {name: [text]}."""
        errors = {}
        for error in self.data.get("errors", []) if self.is_refused and self.data else []:
            errors.setdefault(error["field"].partition(".")[0], []).append(error["detail"])
        return errors

    def forms(self, view, request):
        """Return a Form for each write that the caller may do at this address, by its action."""
        forms = {}
        if not hasattr(view, "action_map"):
            return forms
        for method, action in view.action_map.items():
            method = method.upper()
            if method not in {*SAFE_METHODS, "PATCH"} and self.may(view, request, method):
                with override_method(view, request, method):
                    serializer = NothingSerializer() if method == "DELETE" else view.get_serializer()
                forms[action] = self.form(view, action, method, request.path, serializer)
        for action in view.get_extra_actions():
            if action.detail == view.detail and self.may(view, request, "POST"):
                serializer = action.kwargs.get("serializer_class", NothingSerializer)()
                address = reverse(f"{view.basename}-{action.url_name}", kwargs=view.kwargs)
                forms[action.__name__] = self.form(view, action.__name__, "POST", address, serializer)
        return forms

    def may(self, view, request, method):
        with override_method(view, request, method) as request:
            try:
                view.check_permissions(request)
            except APIException:
                return False
        return True

    def form(self, view, action, method, address, serializer):
        values, errors = {}, {}
        if self.renderer_context["request"].method not in SAFE_METHODS and action == view.action:
            values, errors = self.typed, self.errors
        elif action == "update" and not self.is_refused:
            values = self.data
        etag = self.etag if action in view.conditional_actions else None
        return Form.of(
            BUTTONS.get((view.basename, action), action.capitalize()), method, address, etag, serializer, values, errors
        )

    def filters(self, view, request):
        """Return the fields that narrow this list as HTML, by their names."""
        params = getattr(view, "filters", None)
        if not params or view.action != "list":
            return {}
        given = {
            name: values if name in params.repeatable else values[-1] for name, values in request.query_params.lists()
        }
        return fields_as_html(params(), given, self.errors, params.for_people)


def revised(current, typed):
    """Return what a form would make of a note, as a PUT does: what is left out, or is no such value, is empty."""
    kinds = {name: type(current[name]) for name in CONTENT}
    return {name: typed[name] if isinstance(typed.get(name), kind) else kind() for name, kind in kinds.items()}
