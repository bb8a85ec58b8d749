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
"""

from nom_negotiate.core.negotiation import Move, Negotiation, Phase, Problem
from nom_negotiate.core.outcome import Deal, Kind, Outcome, Side, Transaction
from nom_negotiate.core.party import Listing, Profile, Settings
from nom_negotiate.core.state import Limits, Offer, PartyState, Status
from nom_negotiate.core.terms import Role, Terms, agreement_key
from nom_negotiate.desk import Desk, Stats, Volume
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
from nom_negotiate.party import Party
from nom_negotiate.poller import Report
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.memory import MemoryStore
from nom_negotiate.store.port import Filed, Namespace, Packing, PackSummary, Store

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "Conflict",
    "Deal",
    "Desk",
    "Difference",
    "FileStore",
    "Filed",
    "InputError",
    "Kind",
    "Limits",
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
    "agreement_key",
]
