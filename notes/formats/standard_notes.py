"""A decrypted backup of Standard Notes: its file of JSON, or the zip around it.

Source: the description and examples in github.com/hozza/standardnotes-to-markdown-yaml-export.
"""

from notes.formats import arrays, items
from notes.formats.archives import MAX_ENTRIES, Unreadable
from notes.markdown import BadFile, TrashedFile, Unusable, date_of, printable

FILE_NAME = "Standard Notes Backup"
DOMAIN = "org.standardnotes.sn"
# The first words of the text, once more.
PREVIEWS = {"preview_plain", "preview_html", "hidePreview"}
PLACES = {"title", "text", "references", "appData", "trashed", *PREVIEWS}


def read(path, source):
    # Tags know their notes, and may stand behind them, so all is read twice.
    titles, tags_of = tags_in(path)
    for said in backup(path):
        if isinstance(said, dict) and said.get("content_type") == "Note":
            name = printable(said.get("uuid"))
            try:
                tags = [items.path_of(key, titles) for key in tags_of.get(said.get("uuid"), [])]
                yield read_note(name, said, tags, source)
            except (Unusable, TypeError, KeyError, AttributeError) as error:
                reason = error if isinstance(error, Unusable) else "it is not as Standard Notes writes it"
                yield BadFile(name, str(reason))


def backup(path):
    return arrays.values(path, "items", {".txt", ".json"}, FILE_NAME)


def tags_in(path):
    """Return ({tag: (title, tag around it)}, {note: tags})."""
    titles, tags_of, references = {}, {}, 0
    for said in backup(path):
        if not isinstance(said, dict) or said.get("content_type") != "Tag":
            continue
        try:
            key, tag = said["uuid"][: items.MAX_NAME_CHARS], said["content"]
            around = None
            for reference in tag.get("references") or []:
                references += 1
                if reference["content_type"] == "Tag":
                    around = reference["uuid"][: items.MAX_NAME_CHARS]
                else:
                    tags_of.setdefault(reference["uuid"][: items.MAX_NAME_CHARS], []).append(key)
            titles[key] = (tag["title"][: items.MAX_NAME_CHARS], around)
        except (TypeError, KeyError, AttributeError):
            # It has no name, or is encrypted, as its notes then are.
            continue
        if len(titles) + references > MAX_ENTRIES:
            raise Unreadable(f"it has more than {MAX_ENTRIES} tags of notes")
    return titles, tags_of


def read_note(name, said, tags, source):
    note = said.get("content")
    if isinstance(note, str):
        raise Unusable("it is encrypted; export a decrypted backup")
    if note.get("trashed"):
        return TrashedFile(name)
    app = (note.get("appData") or {}).get(DOMAIN) or {}
    return items.note(
        id=items.id_of("standard-notes", said["uuid"], source),
        path=name,
        title=note.get("title") or "",
        body=note.get("text") or "",
        tags=tags,
        metadata=items.told(
            {key: value for key, value in (app | note).items() if key not in PLACES | {"client_updated_at"}}
        ),
        created_at=date_of(said, ["created_at"]),
        updated_at=date_of(said | app, ["client_updated_at", "updated_at"]),
    )
