"""Forms of the admin. They keep text exactly as it was typed."""

import re
from copy import copy

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from rest_framework.exceptions import APIException

from notes import content
from notes.api.parsers import json_in
from notes.api.preconditions import tag_of_note
from notes.models import CONTENT, Notebook


class DateTimeInputs(AdminSplitDateTime):
    """Django's, with a name for each input. It has no label of its own for them, so a screen reader would name none."""

    def __init__(self, attrs=None):
        super().__init__(attrs)
        for widget, name in zip(self.widgets, ["Date", "Time"]):
            widget.attrs["aria-label"] = name


class StoredText(forms.CharField):
    """Text kept as it is: nothing trims it, and a browser that merely shows it does not change it.

    A textarea sends CRLF for every line break, a line input drops them all (HTML, "value sanitization algorithm").
    So the text counts as changed only if it differs from the stored text in more than its line breaks.
    """

    def __init__(self, *, line_break, **kwargs):
        self.line_break = line_break
        super().__init__(strip=False, **kwargs)

    def has_changed(self, initial, data):
        return self.as_shown(initial) != self.as_shown(data)

    def as_shown(self, text):
        return re.sub(r"\r\n|\r|\n", self.line_break, text or "")


class TagsField(StoredText):
    """A list, as one line with commas."""

    def prepare_value(self, value):
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial, data):
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value):
        return content.split_tags(super().clean(value))


class MetadataField(forms.CharField):
    """Names with values, as JSON."""

    widget = AdminTextareaWidget(attrs={"rows": 5})

    def prepare_value(self, value):
        return content.metadata_to_edit(value) if isinstance(value, dict) else value

    def to_python(self, value):
        text = super().to_python(value)
        try:
            return json_in(text) if text else {}
        except APIException as error:
            raise ValidationError('Write JSON, such as {"author": "Ada"}.', code="invalid") from error

    def has_changed(self, initial, data):
        try:
            return content.differs(self.to_python(data), initial or {})
        except ValidationError:
            return True


def default_notebook():
    return Notebook.objects.filter(name=Notebook.DEFAULT_NAME).first()


class NoteForm(forms.ModelForm):
    notebook = forms.ModelChoiceField(Notebook.objects.order_by("name"), initial=default_notebook)
    title = StoredText(
        line_break="",
        widget=AdminTextInputWidget(attrs={"class": "vLargeTextField", "maxlength": content.MAX_TITLE_CHARS}),
    )
    body = StoredText(required=False, line_break="\n", widget=AdminTextareaWidget(attrs={"rows": 20}))
    tags = TagsField(
        required=False,
        line_break="",
        widget=AdminTextInputWidget(attrs={"class": "vLargeTextField"}),
        help_text=f"Separated by commas. At most {content.MAX_TAGS}, of {content.MAX_TAG_CHARS} characters each.",
    )
    metadata = MetadataField(required=False, help_text=f"As JSON. At most {content.MAX_METADATA_NAMES} names.")
    # The note's ETag in the API when the form was opened.
    etag = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.etag = tag_of_note(self.instance.revision, self.instance.notebook.epoch)
            self.fields["etag"].initial = self.etag

    @property
    def changes(self):
        """The columns that the person changed, with their new values."""
        changed = self.cleaned_data.keys() & set(self.changed_data)
        return {name: self.cleaned_data[name] for name in CONTENT if name in changed}

    def clean_body(self):
        body = self.cleaned_data["body"]
        # Browsers send CRLF whatever the text had. LF is the rule; a note that was written with CRLF keeps it.
        if "\r\n" not in self.instance.body:
            body = body.replace("\r\n", "\n")
        return body

    def clean(self):
        super().clean()
        for name in self.changes:
            self.hold_to_rule(name)
        # NoteAdmin read this row under the lock, so nobody can write between this comparison and the save.
        if not self.instance.pk:
            return
        if self.instance.deleted_at:
            raise ValidationError(
                "This note has been moved to the trash, and nothing was saved. Copy your text if you need it.",
                code="in_trash",
            )
        if self.cleaned_data.get("etag") != self.etag:
            # Django is about to write the form's text into the instance.
            self.present = copy(self.instance)
            raise ValidationError(
                format_html(
                    "This note has been changed since you opened it, and nothing was saved: your text is still here, "
                    'the note as it is now is below. <a href="{}" target="_blank">Open it</a> in another tab and make '
                    "your change there.",
                    reverse("admin:notes_note_change", args=[self.instance.pk]),
                ),
                code="changed",
            )

    def hold_to_rule(self, name):
        try:
            self.cleaned_data[name] = content.allowed({name: self.cleaned_data[name]}, self.instance)[name]
        except content.NotAllowed as error:
            _, _, child = error.field.partition(".")
            self.add_error(name, ValidationError(f"{child}: {error.detail}" if child else error.detail, error.code))


class ApiKeyForm(forms.ModelForm):
    def clean_expires_at(self):
        expires_at = self.cleaned_data["expires_at"]
        if expires_at and expires_at <= timezone.now():
            raise ValidationError("This time is over; choose one to come.", code="future")
        return expires_at
