"""Two parties negotiate a price and a quantity through files.

```python
from nom_negotiate import Desk

desk = Desk("data")
alice, bob = desk.party("alice@stonybrook.edu"), desk.party("bob@stonybrook.edu")
deal = alice.start("bob@stonybrook.edu", chemical="C", role="buyer", price="5.50", quantity=1000)
bob.accept(deal.id)
report = desk.poll()
[mine] = alice.transactions()
```

To import this package costs next to nothing: each name is imported when it is first asked for.
"""

from nom_negotiate.deferral import defer

# `typing` says the same, and costs as much to import as the start of the interpreter.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from nom_negotiate.core.events import Event
    from nom_negotiate.core.listings import Listed
    from nom_negotiate.core.negotiation import Move, Negotiation, Phase, Problem
    from nom_negotiate.core.outcome import Deal, Kind, Outcome, Side, Transaction
    from nom_negotiate.core.party import Listing, Profile, Settings
    from nom_negotiate.core.state import Limits, Offer, PartyState, Reaction, ReadMark, Status
    from nom_negotiate.core.terms import Role, Terms, agreement_key
    from nom_negotiate.desk import Desk
    from nom_negotiate.errors import (
        ConfigurationError,
        Conflict,
        Difference,
        InputError,
        NomError,
        NotFound,
        RecordError,
        RuleViolation,
        StoreError,
    )
    from nom_negotiate.figures import Stats, Volume
    from nom_negotiate.party import Party
    from nom_negotiate.report import Report
    from nom_negotiate.store.files.store import FileStore
    from nom_negotiate.store.memory import MemoryStore
    from nom_negotiate.store.port import Filed, Namespace, Packing, PackSummary, Store
    from nom_negotiate.watch import Watch
else:
    __getattr__, __dir__ = defer(
        __name__,
        {
            "core.events": ("Event",),
            "core.listings": ("Listed",),
            "core.negotiation": ("Move", "Negotiation", "Phase", "Problem"),
            "core.outcome": ("Deal", "Kind", "Outcome", "Side", "Transaction"),
            "core.party": ("Listing", "Profile", "Settings"),
            "core.state": ("Limits", "Offer", "PartyState", "Reaction", "ReadMark", "Status"),
            "core.terms": ("Role", "Terms", "agreement_key"),
            "desk": ("Desk",),
            "errors": (
                "ConfigurationError",
                "Conflict",
                "Difference",
                "InputError",
                "NomError",
                "NotFound",
                "RecordError",
                "RuleViolation",
                "StoreError",
            ),
            "figures": ("Stats", "Volume"),
            "party": ("Party",),
            "report": ("Report",),
            "store.files.store": ("FileStore",),
            "store.memory": ("MemoryStore",),
            "store.port": ("Filed", "Namespace", "PackSummary", "Packing", "Store"),
            "watch": ("Watch",),
        },
    )

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "Conflict",
    "Deal",
    "Desk",
    "Difference",
    "Event",
    "FileStore",
    "Filed",
    "InputError",
    "Kind",
    "Limits",
    "Listed",
    "Listing",
    "MemoryStore",
    "Move",
    "Namespace",
    "Negotiation",
    "NomError",
    "NotFound",
    "Offer",
    "Outcome",
    "PackSummary",
    "Packing",
    "Party",
    "PartyState",
    "Phase",
    "Problem",
    "Profile",
    "Reaction",
    "ReadMark",
    "RecordError",
    "Report",
    "Role",
    "RuleViolation",
    "Settings",
    "Side",
    "Stats",
    "Status",
    "Store",
    "StoreError",
    "Terms",
    "Transaction",
    "Volume",
    "Watch",
    "agreement_key",
]
