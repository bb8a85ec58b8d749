"""Looking through a data root for what does not belong, and putting it right.

Rules of the room:

- A look changes nothing. What a look finds says where, what, and what to do; what has one
  right answer comes with the function that gives it.
- Nothing that a party has said is ever changed or removed: what does not belong is set aside,
  whole, and can be put back.
- A root is looked at while it is used. What another process is in the middle of is told from
  what is wrong by its age, or by looking again while no pass is running.
- What a look remembers of a deal takes some 100 bytes; it holds the names of one room at a
  time, and the bytes of one negotiation.
"""

from nom_negotiate.store.files.inspection.findings import Finding as Finding
from nom_negotiate.store.files.inspection.findings import Found as Found
from nom_negotiate.store.files.inspection.findings import Severity as Severity
from nom_negotiate.store.files.inspection.look import Look as Look
