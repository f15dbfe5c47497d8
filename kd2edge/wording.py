r"""Text that came from files, as people may be shown it: no control character, no end.

A label, a file name or a foreign error can hold what moves a cursor, renames a window, turns the
direction of writing or begins a line of its own.  Whatever is said to people passes here; escapes
are Python's (``\x1b``, ``\u202e``), and a text that passed already is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Most characters of a value and of a path in a message, and of a line of a message.
VALUE = 80
PATH = 300
LINE = 1000

#: Letters and marks that Python calls printable and that nobody sees.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u2800\u3164\uffa0]")


def shown(text: object, most: int = LINE) -> str:
    """``text`` on one line of at most ``most`` characters, all of them visible.

    Control characters (line ends among them), marks of direction and of no width, characters of
    no meaning and half surrogate pairs are escaped; a byte of a file name that is no text in the
    system's encoding is shown as that byte.
    """
    return _cut(_seen(str(text)), most)


def shown_lines(text: object) -> str:
    """The same for text of several lines: its line ends stay, each line is as in :func:`shown`."""
    return "\n".join(shown(part) for part in str(text).split("\n"))


def value(text: object) -> str:
    """A name or a value inside a message: a long one is cut in its middle."""
    return shown(text, VALUE)


def path(text: object) -> str:
    """A path inside a message: longer than most, and cut where no file system takes it anyway."""
    return shown(text, PATH)


def meant(word: object, known: Iterable[object], before: str = "") -> str:
    """``did you mean 'epochs'?`` behind ``before``; "" where nothing known is like ``word``.

    What differs in case or outer blanks alone is meant before anything else.
    """
    from difflib import get_close_matches  # milliseconds that only a mistake costs

    names = {str(one): str(one).strip().casefold() for one in known}
    wanted = str(word).strip().casefold()
    alike = [one for one, folded in names.items() if folded == wanted]
    near = alike or get_close_matches(str(word), names, n=1)
    return f"{before}did you mean {value(near[0])!r}?" if near else ""


def visible_json(text: str) -> str:
    """A JSON text, the same value, that no terminal obeys and every encoder takes.

    Args:
        text: of ``json.dumps(..., ensure_ascii=False)``: characters below 0x20 are escaped there.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _json_escape(ord(sign)) for sign in text)


def _seen(text: str) -> str:
    if text.isprintable():  # most texts: nothing is copied
        return text if text.isascii() else _UNSEEN.sub(lambda found: _escape(found[0]), text)
    seen = "".join(sign if sign.isprintable() else _escape(sign) for sign in text)
    return _UNSEEN.sub(lambda found: _escape(found[0]), seen)


def _escape(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds such a byte of a file name
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(sign, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_escape(code: int) -> str:
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)  # JSON writes it as a surrogate pair
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    mark = f"...({len(text):,} characters)..."
    tail = (most - len(mark)) // 3  # names differ at their end, and a message ends with its advice
    return f"{text[: most - tail - len(mark)]}{mark}{text[-tail:]}"
