"""Lists that no query string can slow down or break."""

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError
from django.db.models import DateTimeField
from django.forms import SplitDateTimeField

from notes.admin.forms import DateTimeInputs
from notes.api.pagination import condition_after

MAX_SEARCH_CHARS = 100


class BoundedList(ChangeList):
    """A list that no query string makes slow.

    It filters by what its own filters offer, and by nothing else. It has one order, which an index serves. A page
    starts after the row that its address names, so that nothing is counted and every page costs the same.
    """

    def get_ordering(self, request, queryset):
        # Django would sort by any column that the address names.
        return self.model_admin.get_ordering(request)

    def get_queryset(self, request, *args, **kwargs):
        if start := start_of_page(request, self.model_admin):
            is_after_start = condition_after(self.model_admin.get_ordering(request), start)
            self.root_queryset = self.root_queryset.filter(is_after_start)
        return super().get_queryset(request, *args, **kwargs)

    def get_results(self, request):
        # One more row than is shown tells whether there is a next page.
        found = list(self.queryset[: self.list_per_page + 1])
        self.result_list = found[: self.list_per_page]
        self.first_page = self.get_query_string() if PAGE_VAR in request.GET else None
        self.next_page = None
        if len(found) > self.list_per_page:
            names = [name.removeprefix("-") for name in self.model_admin.get_ordering(request)]
            self.next_page = self.page_after([str(self.result_list[-1].serializable_value(name)) for name in names])
        # Django's templates ask for these. As the two numbers are one, they speak of no total.
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_admin_actions = True

    def page_after(self, values):
        return self.get_query_string({PAGE_VAR: values})

    def get_filters_params(self, params=None):
        # Django filters by every value given for a name. SQLite refuses an expression with a thousand of them.
        return {name: values[-1:] for name, values in super().get_filters_params(params).items()}

    def get_filters(self, request):
        found = super().get_filters(request)
        _, _, left_over, _, _ = found
        # Django would use any other parameter as a lookup in any column. One could guess a digest digit by digit,
        # and a regular expression can keep the whole process busy for ever.
        for name in self.get_filters_params().keys() & left_over.keys():
            raise DisallowedModelAdminLookup(f"Filtering by {name!r} not allowed")
        return found


def start_of_page(request, model_admin):
    """Return the values of the row that the page starts after, in the columns of the order. Empty on the first page."""
    names = [name.removeprefix("-") for name in model_admin.get_ordering(request)]
    texts = request.GET.getlist(PAGE_VAR)
    if not texts:
        return []
    try:
        return [model_admin.opts.get_field(name).to_python(text) for name, text in zip(names, texts, strict=True)]
    except (ValueError, ValidationError):
        raise BadRequest("The list has no such page.") from None


class WithoutBodies(BoundedList):
    """Leave the bodies out: fifty rows would load up to five million characters that no page shows."""

    def get_queryset(self, *args, **kwargs):
        return super().get_queryset(*args, **kwargs).defer("body")


class ListAdmin(admin.ModelAdmin):
    """The base of every model in the admin: a query string can neither slow its list down nor break it.

    The last column of its `ordering` must be unique.
    """

    change_list_template = "admin/notes/change_list.html"
    list_per_page = 50
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    formfield_overrides = {DateTimeField: {"form_class": SplitDateTimeField, "widget": DateTimeInputs}}
    # Shown below the search. Django's own `search_help_text` would take the place of a label that can be seen.
    search_hint = ""

    def get_changelist(self, request, **kwargs):
        return BoundedList

    def get_changelist_instance(self, request):
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            # Ignore a hand-typed filter value that is not a date or number.
            raise IncorrectLookupParameters from error

    def get_search_results(self, request, queryset, search_term):
        # Every word is searched for in every row. PostgreSQL takes no NUL.
        if len(search_term) > MAX_SEARCH_CHARS or "\x00" in search_term:
            self.message_user(request, f"A search has at most {MAX_SEARCH_CHARS} characters.", messages.ERROR)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def get_changeform_initial_data(self, request):
        # Django would fill in the form from the query string, and would fail on an invalid time.
        return {}

    def response_action(self, request, queryset):
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(key, None)
        except ValidationError:
            raise BadRequest("A selected row has no such id.") from None
        # Take the rows that were selected, even if the list shows others by now.
        selected = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        return super().response_action(request, selected)
