"""Paths that cost little to have.

`pathlib` brings `re`, `enum`, `urllib.parse` and `ipaddress` with it: ten milliseconds at every start, of a broker that
shall answer a few tens of milliseconds after exec. This class does what the way up does with paths, by the same names.
To type checkers it is `pathlib.Path`, and whatever is asked of it beyond these methods it hands to one, imported then.
It equals a `pathlib.Path` of the same text; the two have different hashes, so do not mix them as keys.

POSIX only, as the broker is.
"""

from __future__ import annotations

import errno
import os

__all__ = ["Path"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
else:

    class Path:
        __slots__ = ("_text",)

        def __init__(self, *parts):
            self._text = _plain(os.path.join(*parts) if parts else "")

        # ---- names

        def __fspath__(self):
            return self._text

        __str__ = __fspath__

        def __repr__(self):
            return f"Path({self._text!r})"

        def __eq__(self, other):
            if hasattr(other, "__fspath__"):
                return self._text == os.fspath(other)
            return NotImplemented

        def __lt__(self, other):
            return self._text.split("/") < os.fspath(other).split("/")

        def __hash__(self):
            return hash(self._text)

        def __truediv__(self, name):
            return Path(self, name)

        def __rtruediv__(self, directory):
            return Path(directory, self)

        def __getattr__(self, name):
            if name.startswith("_"):
                # What copy and pickle look for, in an object that has nothing yet.
                raise AttributeError(name)
            import pathlib

            return getattr(pathlib.Path(self._text), name)

        def __reduce__(self):
            return Path, (self._text,)

        @property
        def name(self):
            return "" if self._text in (".", "/", "//") else self._text.rpartition("/")[2]

        @property
        def parent(self):
            return Path(os.path.dirname(self._text))

        def with_name(self, name):
            return self.parent / name

        def absolute(self):
            return Path(os.getcwd(), self)

        def resolve(self):
            return Path(os.path.realpath(self._text))

        # ---- what the system says of them, and does to them

        def stat(self):
            return os.stat(self._text)

        def exists(self):
            """Raises OSError where the system does not say: a disk that fails is not an empty one."""
            try:
                os.stat(self._text)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                return False
            return True

        def is_dir(self):
            """Raises OSError, as `exists`."""
            return self.exists() and os.path.isdir(self._text)

        def iterdir(self):
            for name in os.listdir(self._text):
                yield self / name

        def mkdir(self, mode=0o777, parents=False, exist_ok=False):
            if parents:
                os.makedirs(self._text, mode, exist_ok)
                return
            try:
                os.mkdir(self._text, mode)
            except OSError:
                if not exist_ok or not self.is_dir():
                    raise

        def rename(self, target):
            os.rename(self._text, target)
            return Path(target)

        def replace(self, target):
            os.replace(self._text, target)
            return Path(target)

        def unlink(self, missing_ok=False):
            try:
                os.unlink(self._text)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        # ---- what is in them: as bytes through the io module, so that no codec is looked up by name

        def read_bytes(self):
            with open(self._text, "rb", buffering=0) as file:
                return file.readall()

        def read_text(self, encoding="utf-8", errors="strict"):
            return self.read_bytes().decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")

        def write_text(self, text, encoding="utf-8"):
            data = text.encode(encoding)
            with open(self._text, "wb") as file:
                file.write(data)

    def _plain(text):
        """As pathlib writes it: without empty parts and single dots."""
        if "//" not in text and "/." not in text and text[:1] != "." and (text[-1:] != "/" or text == "/") and text:
            return text
        root = "//" if text.startswith("//") and not text.startswith("///") else "/" if text.startswith("/") else ""
        return root + "/".join(part for part in text.split("/") if part not in ("", ".")) or "."
