"""Prints the requirements of dependency groups of pyproject.toml, one a line: `ci/requirements.py runtime test`.

pip understands dependency groups only from 25.1 on, and Python 3.11 brings an older one. `runtime` names the package's
own dependencies.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())


def requirements(group: str) -> Iterator[str]:
    if group == "runtime":
        yield from project["project"]["dependencies"]
        return
    for entry in project["dependency-groups"][group]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from requirements(entry["include-group"])


print("\n".join(dict.fromkeys(line for group in sys.argv[1:] for line in requirements(group))))
