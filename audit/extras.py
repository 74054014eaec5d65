"""The optional parts of the installation: one check, one sentence, with the line that installs what is missing."""

from collections.abc import Sequence
from importlib.util import find_spec


class MissingExtraError(ImportError):
    """A feature was used whose optional dependencies are not installed.

    Examples
    --------
    >>> try:
    ...     require("Flying", modules=["no_such_wings"], extra="wings")
    ... except ImportError as error:
    ...     print(type(error).__name__)
    MissingExtraError
    """


def require(feature: str, *, modules: Sequence[str], extra: str) -> None:
    """Do nothing where all modules can be imported; otherwise say which feature needs what, and how to get it.

    Nothing is imported here: the modules are only looked for, so the check costs microseconds.

    Parameters
    ----------
    feature
        What the user asked for, in words that start a sentence: "Training a model".
    modules
        Top-level module names that the feature imports.
    extra
        Name of the extra in the project's metadata that brings them.

    Raises
    ------
    MissingExtraError
        If a module cannot be found; the text names the feature, the modules and the install line.

    Examples
    --------
    >>> require("Reading JSON", modules=["json"], extra="train")
    >>> require("Flying", modules=["json", "no_such_wings"], extra="wings")
    Traceback (most recent call last):
    audit.extras.MissingExtraError: Flying needs no_such_wings, which is not installed: pip install 'evenhanded[wings]'
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        message = f"{feature} needs {', '.join(missing)}, which {verb} not installed: pip install 'evenhanded[{extra}]'"
        raise MissingExtraError(message)
