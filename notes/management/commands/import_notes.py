import sys
from collections import Counter
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from tqdm import tqdm

from notes import formats, importing, markdown
from notes.management.arguments import notebook_named, one_line_in
from notes.models import Notebook, Writer

MOST_NAMES = 10
BY = Writer.command("import_notes")


class Command(BaseCommand):
    help = (
        "Import a folder of Markdown files, each as one note, or the export of another program. "
        "In Markdown title, tags and dates come from the front matter; "
        "without it from the first heading or the file's name, and the file's time. A note is known by the id in the "
        "front matter, if that is a UUID, and else by its file's path below PATH: import the same folder again and "
        "only what has changed is written. So a file of another folder with the same path is taken for the same note; "
        "--source keeps the two apart. Notes that were changed or deleted here in the meantime stay as they are. "
        "Other names in the front matter become metadata; what is over a limit is left out, and told. A file that "
        "cannot be a note is named and left out; the exit code is then 1."
    )

    def add_arguments(self, parser):
        parser.add_argument("path", metavar="PATH", type=Path, help="the folder, with all below it, or the file")
        parser.add_argument(
            "--format",
            choices=sorted(formats.READERS),
            help="who made it; a folder is markdown unless this says another, a file is guessed by its name",
        )
        parser.add_argument("--notebook", metavar="NAME", default=Notebook.DEFAULT_NAME, help="where the notes go")
        parser.add_argument(
            "--source",
            metavar="NAME",
            type=one_line_in,
            default="",
            help="a name for this folder, the same in each import of it; for a second folder in one notebook",
        )

    def handle(self, *, path, **options):
        if not path.exists():
            raise CommandError(f"There is no {path}.")
        # Closing a file ends all locks that this process holds on it.
        if connection.vendor == "sqlite" and Path(connection.settings_dict["NAME"]).resolve() == path.resolve():
            raise CommandError(f"{path} is the database of this service.")
        name = options["format"] or formats.guess(path)
        if name is None or (name in formats.FOLDERS_ONLY and not path.is_dir()):
            raise CommandError(f"{path} is no folder; if it is the export of a program, say which with --format.")
        counts, left_out = Counter(), Counter()
        try:
            self.import_folder(path, name, options["notebook"], options["source"], counts, left_out)
        except KeyboardInterrupt:
            raise CommandError(
                f"Interrupted. What was imported stays ({summary(counts)}); run it again to go on.", returncode=130
            ) from None
        except formats.Unreadable as error:
            raise CommandError(f"{path}: {error}. What was imported stays ({summary(counts)}).") from None
        except DatabaseError as error:
            raise CommandError(
                f"The database refused: {error}. What was imported stays ({summary(counts)}); run it again to go on."
            ) from error
        if left_out:
            self.stderr.write(f"Left out, as over a limit of metadata: {most_common(left_out)}.")
        self.stdout.write(summary(counts))
        if counts[importing.FAILED]:
            sys.exit(1)

    def import_folder(self, path, format_name, notebook_name, source, counts, left_out):
        notebook = notebook_named(notebook_name)
        # Count the files first only if somebody watches.
        is_counted = format_name == "markdown" and sys.stderr.isatty()
        total = sum(1 for _ in markdown.markdown_paths(path)) if is_counted else None
        # disable=None: silent if stderr is not a terminal.
        with tqdm(total=total, unit=" files", disable=None) as bar:
            for outcomes in importing.import_files(notebook, BY, formats.read(path, format_name, source)):
                counts.update(outcome for _, outcome in outcomes)
                written = [file for file, outcome in outcomes if outcome in {importing.CREATED, importing.UPDATED}]
                left_out.update(name for file in written for name in file.left_out)
                bad_files = [file for file, outcome in outcomes if outcome == importing.FAILED]
                with tqdm.external_write_mode():
                    for file in bad_files:
                        self.stderr.write(f"{markdown.printable(file.path)}: {file.reason}")
                bar.update(len(outcomes))


def most_common(counts):
    names = [f"{markdown.printable(name)} ({count})" for name, count in counts.most_common(MOST_NAMES)]
    return ", ".join(names) + (f", and {len(counts) - MOST_NAMES} more" if len(counts) > MOST_NAMES else "")


def summary(counts):
    return ", ".join(f"{outcome} {counts[outcome]}" for outcome in importing.OUTCOMES)
