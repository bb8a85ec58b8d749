"""The file store: directories of parties, namespaces with one file a party, and links.

Rules of the room:

- `layout` says where things are. No path is made elsewhere.
- `atomic` is the only module that changes the disk.
- Files of others are opened without following links, must be regular, and are bounded.
"""

from typing import TYPE_CHECKING

from nom_negotiate.deferral import defer

if TYPE_CHECKING:
    from nom_negotiate.store.files.store import FileStore
else:
    __getattr__, __dir__ = defer(__name__, {"store": ("FileStore",)})

__all__ = ["FileStore"]
