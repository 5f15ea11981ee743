"""The view of a whole notebook as a file."""

import tempfile
from contextlib import ExitStack

from django.db import connection
from django.http import FileResponse
from drf_spectacular.utils import extend_schema

from notes import databases, transfer, turns
from notes.api.generics import NotebookView
from notes.api.problems import Overloaded
from notes.api.renderers import LinesRenderer
from notes.api.schema import LINES
from notes.api.throttling import count_chars

# In each process. It keeps one thread at work for seconds, and takes room on the disk.
exports = turns.Turns(at_once=1, places=0)


class ExportView(NotebookView):
    """The notebook with all of its history, as the command `export_notebook` writes it and `import_notebook` reads it.

    The first line says what the file holds. Then comes a line for each write, in order, and last the SHA-256 of all
    lines before. Without that last line it is not whole.
    """

    needs = {"GET": "admin"}
    renderer_classes = [LinesRenderer]

    @extend_schema(
        operation_id="exportNotebook",
        summary="Take the whole notebook along",
        responses={(200, LinesRenderer.media_type): LINES},
    )
    def get(self, request):
        if not exports.take(seconds=0):
            raise Overloaded("Another export is being written. Try again.")
        try:
            turns.step_aside()
            file = written(self.notebook)
        finally:
            exports.give_back()
        count_chars(request, file.tell())
        file.seek(0)
        name, media_type = f"{self.notebook.name}.ndjson", LinesRenderer.media_type
        response = FileResponse(file, as_attachment=True, filename=name, content_type=media_type)
        # What rsgi.py and a response of DRF's have.
        response.temporary_file, response.accepted_renderer = file, request.accepted_renderer
        return response


def written(notebook):
    """Return a file with the notebook in it. So a slow client holds neither the snapshot of the database nor memory.

    The file has no name: however its process ends, it is gone. /tmp is often in memory, a database is not.
    """
    database = databases.file_of(connection.settings_dict)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=database.parent if database else "/var/tmp"))
        file.writelines(transfer.lines(notebook))
        stack.pop_all()
    return file
