"""Lists that no query string can slow down or break."""

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError

MAX_SEARCH_CHARS = 100


class BoundedList(ChangeList):
    """A list that no query string makes slow: it filters by what its own filters offer, and by nothing else."""

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


class WithoutBodies(BoundedList):
    """Leave the bodies out: a hundred rows would load up to ten million characters that no page shows."""

    def get_queryset(self, *args, **kwargs):
        return super().get_queryset(*args, **kwargs).defer("body")


class ListAdmin(admin.ModelAdmin):
    """The base of every model in the admin: a query string can neither slow its list down nor break it."""

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
        return super().response_action(request, queryset)
