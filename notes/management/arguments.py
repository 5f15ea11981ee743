"""Arguments that several commands take."""

import argparse

from django.core.management.base import CommandError

from notes.models import Notebook

MAX_DAYS = 36_500


def days_in(text):
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= MAX_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0 to {MAX_DAYS}")
    return int(text)


def one_line_in(text):
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not one line of visible text")
    return text


def number_from_one(text):
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def notebook_named(name):
    notebook = Notebook.objects.filter(name=name).first()
    if notebook is None:
        raise CommandError(f"There is no notebook {name!r}. Make it with create_notebook.")
    return notebook
