"""The admin: look into notes and their log, and write through the same door as everybody else."""

from django.contrib import admin

from notes.admin import keys, log, notebooks, notes, people  # noqa: F401  (importing registers them)

admin.site.site_header = "Notes"
admin.site.site_title = "Notes administration"
admin.site.index_title = "Administration"
