"""People and groups."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group

from notes.admin.lists import ListAdmin

# Django's own admins of people and groups, with our lists.
admin.site.unregister([get_user_model(), Group])


@admin.register(get_user_model())
class PersonAdmin(ListAdmin, UserAdmin):
    pass


@admin.register(Group)
class PeopleAdmin(ListAdmin, GroupAdmin):
    pass
