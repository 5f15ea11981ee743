"""Arguments that several commands take."""

import argparse

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
