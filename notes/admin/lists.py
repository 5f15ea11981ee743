"""Lists that no address can slow down or break."""

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError

MAX_SEARCH_CHARS = 100


class BoundedList(ChangeList):
    """A list that no address makes slow: it filters by what its own filters offer, and by nothing else."""

    def get_filters_params(self, params=None):
        # Django asks for all values of a name: a thousand are more than an expression of SQLite holds.
        return {name: values[-1:] for name, values in super().get_filters_params(params).items()}

    def get_filters(self, request):
        found = super().get_filters(request)
        _, _, left_over, _, _ = found
        # What no filter has taken would be a lookup in any column: digits of a digest could be tried out one by one,
        # and a regular expression can keep the whole process busy for ever.
        for name in self.get_filters_params().keys() & left_over.keys():
            raise DisallowedModelAdminLookup(f"Filtering by {name!r} not allowed")
        return found


class WithoutBodies(BoundedList):
    """A page of a hundred rows would otherwise carry up to ten million characters that it does not show."""

    def get_queryset(self, *args, **kwargs):
        return super().get_queryset(*args, **kwargs).defer("body")


class ListAdmin(admin.ModelAdmin):
    """What every model of the admin has: a list that an address can neither slow down nor break."""

    def get_changelist(self, request, **kwargs):
        return BoundedList

    def get_changelist_instance(self, request):
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            # A filter typed by hand that is no date or number is no filter.
            raise IncorrectLookupParameters from error

    def get_search_results(self, request, queryset, search_term):
        # Each word is looked for in each row. PostgreSQL takes no NUL.
        if len(search_term) > MAX_SEARCH_CHARS or "\x00" in search_term:
            self.message_user(request, f"A search has at most {MAX_SEARCH_CHARS} characters.", messages.ERROR)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def get_changeform_initial_data(self, request):
        # Django would fill in a form from the address, and fails over a time that is none.
        return {}

    def response_action(self, request, queryset):
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(key, None)
        except ValidationError:
            raise BadRequest("A selected row has no such id.") from None
        return super().response_action(request, queryset)
