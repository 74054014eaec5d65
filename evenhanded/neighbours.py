"""A check that the packages beside this one are ours: a module of the user's own may bear the same name."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).parent.parent
"""The folder that holds our packages."""

PACKAGES = ("audit", "monitors", "checklists", "dashboards", "trainer")


class HiddenPackageError(ImportError):
    """A module of another project hides one of ours."""


def check(home: Path = HOME, names: Sequence[str] = PACKAGES) -> None:
    """Refuse to go on where a package is found elsewhere than beside this one.

    Parameters
    ----------
    home
        The folder that holds our packages.
    names
        Names of the packages.

    Raises
    ------
    HiddenPackageError
        Naming both files, and the mend.

    Examples
    --------
    >>> check()
    """
    for name in names:
        found, ours = _origin(name), home / name / "__init__.py"
        if found is None or found.resolve() != ours.resolve():
            msg = (
                f"import {name!r} finds {found} instead of evenhanded's own {ours}; rename yours, or start from a "
                f"folder that does not hold it"
            )
            raise HiddenPackageError(msg)


def _origin(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except ValueError:  # a module that was put into sys.modules by hand
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)
