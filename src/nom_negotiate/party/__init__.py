"""What one party does: the use cases, and how each of them is carried out."""

from nom_negotiate.party.party import Party

__all__ = ["Party"]
