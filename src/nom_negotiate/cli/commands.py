"""The table of the commands, and `nom` itself. A new command is one line here."""

from __future__ import annotations

from typing import Final

import click

from nom_negotiate import __version__
from nom_negotiate.cli.app import common
from nom_negotiate.cli.group import Entry, LazyGroup

_NEGOTIATE: Final = "Negotiate"
_LOOK: Final = "Look"
_OPERATE: Final = "Operate"
_BEGIN: Final = "Begin"

_HERE: Final = "nom_negotiate.cli"

TABLE: Final = (
    Entry("demo", f"{_HERE}.demo:demo", "Play a whole negotiation, and show how.", _BEGIN),
    Entry("init", f"{_HERE}.init:init", "Set up a data root, or change it.", _BEGIN),
    Entry("start", f"{_HERE}.start:start", "Start a negotiation with an offer.", _NEGOTIATE),
    Entry("offer", f"{_HERE}.offer:offer", "Make a counter-offer.", _NEGOTIATE),
    Entry("accept", f"{_HERE}.accept:accept", "Accept the offer on the table.", _NEGOTIATE),
    Entry("reject", f"{_HERE}.reject:reject", "Reject the offer on the table.", _NEGOTIATE),
    Entry("withdraw", f"{_HERE}.withdraw:withdraw", "Withdraw one's own offer.", _NEGOTIATE),
    Entry("say", f"{_HERE}.say:say", "Leave a message.", _NEGOTIATE),
    Entry("read", f"{_HERE}.read:read", "Print what is unread, and mark it as read.", _NEGOTIATE),
    Entry(
        "react", f"{_HERE}.react:react", "Tell how you like the offer, from 0 to 100.", _NEGOTIATE
    ),
    Entry(
        "listing", f"{_HERE}.listing:listing", "Post standing orders, and answer them.", _NEGOTIATE
    ),
    Entry("prefs", f"{_HERE}.prefs:prefs", "Say what you want, for yourself.", _NEGOTIATE),
    Entry("suggest", f"{_HERE}.suggest:suggest", "Say what you might answer, and why.", _NEGOTIATE),
    Entry(
        "autopilot", f"{_HERE}.autopilot:autopilot", "Let nom run negotiate for you.", _NEGOTIATE
    ),
    Entry("ls", f"{_HERE}.ls:ls", "List negotiations.", _LOOK),
    Entry("show", f"{_HERE}.show:show", "Show one negotiation, and draw its prices.", _LOOK),
    Entry("watch", f"{_HERE}.watch:watch", "Show what happens, until stopped.", _LOOK),
    Entry("tree", f"{_HERE}.tree:tree", "Draw the directories of the parties.", _LOOK),
    Entry("stats", f"{_HERE}.stats:stats", "Show the figures of a data root.", _LOOK),
    Entry("archive", f"{_HERE}.archive:archive", "Look at what has ended, and pack it.", _LOOK),
    Entry("schemas", f"{_HERE}.schemas:schemas", "Print the JSON Schemas of all files.", _LOOK),
    Entry("poll", f"{_HERE}.poll:poll", "Make one pass: settle what is agreed.", _OPERATE),
    Entry("run", f"{_HERE}.run:run", "Poll again and again, until stopped.", _OPERATE),
    Entry("doctor", f"{_HERE}.doctor:doctor", "Find and mend what does not belong.", _OPERATE),
    Entry("bench", f"{_HERE}.bench:bench", "Measure what the operations cost here.", _OPERATE),
    Entry("migrate", f"{_HERE}.migrate:migrate", "Bring old data over.", _OPERATE),
)


@click.group(
    cls=LazyGroup,
    table=TABLE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  nom demo
  nom start bob@stonybrook.edu C --as alice@stonybrook.edu --buy --price 5.50 --quantity 1000
  nom ls --as bob@stonybrook.edu
\b
Exit statuses:
  0 done                          6 a bad record
  1 a fault of this program       7 trouble with the disk
  2 wrong usage or input          8 a data root or extension that cannot work
  3 against the rules             9 two things differ that must agree
  4 somebody else moved first    10 something was wrong, and is mended
  5 not there                    11 something is wrong, and needs a person
""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@common
def nom() -> None:
    """Negotiate a price and a quantity through files."""
