"""Gates in the forms that other tools read."""

from checklists.formats.junit import junit

__all__ = ["junit"]
