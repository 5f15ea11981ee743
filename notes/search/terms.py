"""What is indexed of a note, the same in both databases.

Terms are told apart by a first character that no word has: `word` anywhere in the note, `=word` in its title,
`=!digest` its whole title, `@digest` a tag. So a search in titles reads no more of the index than it finds, however
common its words are.
"""

from hashlib import blake2b

from notes import tags
from notes.search.words import words


def tag_term(name):
    return "@" + digest(tags.key(name))


def title_term(title_words):
    return "=!" + digest(" ".join(title_words))


def digest(text):
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def indexed(note):
    """Return (marked terms, words of the title, words of the body)."""
    title = words(note.title)
    return [*map(tag_term, note.tags), title_term(title), *(f"={word}" for word in title)], title, words(note.body)


def term_words(term):
    return (tag_term(term.tag),) if term.tag else term.words
