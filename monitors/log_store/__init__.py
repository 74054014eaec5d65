"""The prediction log: appended in batches, joined with labels that come later, corrected and erased on record."""

from audit.extras import require

require("A prediction log", modules=["deltalake"], extra="store")
