"""Every error that a caller can meet, in one hierarchy and one table.

Rules of the room:

- A *family* is a class; it fixes the exit status of the command line. Catch a
  family to react to a kind of trouble.
- A *code* is a stable string; it fixes the HTTP status and the default hint.
  `CODES` is the only place where codes are defined.
- A message says what was expected and what was found; the hint says what to do.
- This module imports nothing of the project: every other room may import it.
"""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple


class Code(NamedTuple):
    """One row of the error table: the HTTP status and the default hint of a code."""

    http_status: int
    hint: str


CODES: Final[dict[str, Code]] = {
    # wrong input: nothing was looked up yet
    "invalid_address": Code(400, "give an address like alice@stonybrook.edu"),
    "invalid_number": Code(400, "give a plain decimal number with a point, like 5.50"),
    "invalid_id": Code(400, "copy the id from `nom ls`"),
    "invalid_time": Code(400, "give unix seconds, or a duration such as 90m, 24h, 2d"),
    "invalid_text": Code(400, "shorten the text, and leave out control characters"),
    "invalid_level": Code(400, "give a whole number from 0, not at all, to 100, very much"),
    "invalid_setting": Code(400, "see `nom init --help` for what may be set"),
    "unknown_chemical": Code(400, "use one of the chemicals of this data root"),
    "missing_terms": Code(400, "say a price and a quantity"),
    "missing_party": Code(400, "say who acts with --as ADDRESS or NOM_USER"),
    # the rules of a negotiation
    "self_negotiation": Code(409, "name another party as counterparty"),
    "duplicate_negotiation": Code(409, "continue the one that is open, or ask for a second one"),
    "closed_root": Code(403, "ask the operator to add this party with `nom init --party`"),
    "not_a_party": Code(403, "act as one of the two parties of this negotiation"),
    "own_offer": Code(409, "wait for the counterparty, or withdraw"),
    "not_your_turn": Code(409, "wait for the counterparty, or withdraw"),
    "nothing_on_table": Code(409, "make an offer first"),
    "offer_lapsed": Code(409, "make a new offer"),
    "concluded": Code(409, "start a new negotiation"),
    "rounds_exhausted": Code(409, "accept or reject the offer on the table"),
    "messages_exhausted": Code(409, "make an offer, accept or reject, or start a new negotiation"),
    "listing_closed": Code(409, "see what stands with `nom listing ls`"),
    "too_many_listings": Code(409, "close some of them first"),
    "not_listed": Code(409, "see what is asked for with `nom listing ls`"),
    "rollback_refused": Code(409, "look at what has gone on, then repeat with --force"),
    # somebody else moved first
    "stale_round": Code(409, "look at the negotiation again, then decide"),
    "stale_revision": Code(412, "read the negotiation again, then repeat"),
    "already_accepted": Code(409, "the deal stands; look at the negotiation again"),
    "moved": Code(409, "look at the negotiation again, then decide"),
    "busy": Code(503, "try again in a moment"),
    "no_spare_namespace": Code(503, "try again after the next poll, which lays out new ones"),
    # not there
    "unknown_negotiation": Code(404, "list what there is with `nom ls`"),
    "ambiguous_negotiation": Code(409, "say which with --as ADDRESS"),
    "unknown_party": Code(404, "list the parties with `nom tree`"),
    "no_preferences": Code(404, "say what you want with `nom prefs set`"),
    "not_packed": Code(404, "see the months and counts with `nom tree`"),
    "unknown_transaction": Code(404, "list your transactions with `nom show`"),
    "ambiguous_listing": Code(409, "give more of the id, or say whose with --of ADDRESS"),
    "unknown_listing": Code(404, "list what there is with `nom listing ls`"),
    "unknown_source": Code(404, "name the directory that holds the old data"),
    # bad records in files
    "malformed_record": Code(422, "let its author write the file again, or move it away"),
    "record_too_large": Code(413, "conclude this negotiation and start a new one"),
    # the store underneath
    "no_space": Code(507, "free some space, then repeat; nothing was lost"),
    "read_only": Code(503, "mount the data root writable, or name another one"),
    "denied": Code(503, "act as a user who may, or give this one the permission"),
    "too_many_files": Code(503, "raise the limit of open files (ulimit -n), then repeat"),
    "wrong_user": Code(403, "act as that Unix user, for example with `sudo -u NAME nom ...`"),
    "store_failed": Code(503, "look at the disk and the mount of the data root"),
    # configuration
    "unusable_root": Code(500, "name a directory with --data or NOM_DATA"),
    "unsupported_file_system": Code(
        500, "use a local POSIX file system, such as ext4, xfs or apfs"
    ),
    "malformed_settings": Code(500, "correct config.json of the data root, or run `nom init` anew"),
    "not_isolated": Code(500, "isolate it first with `nom init --isolation unix`"),
    "isolated_root": Code(500, "migrate into another root, and isolate that afterwards"),
    "needs_root": Code(500, "run it as root, for example with sudo"),
    "broken_extension": Code(500, "repair or uninstall the package that offers it"),
    # an examination that found something
    "mended": Code(409, "see the list of what was mended"),
    "needs_a_person": Code(409, "see the remedies; `nom doctor --repair` mends what it can"),
    # a verification that found differences
    "differences_found": Code(409, "see the list of differences; run `nom migrate run` again"),
}


class NomError(Exception):
    """Tell what was expected, what was found, and what to do.

    Attributes:
        code: a key of `CODES`, stable across releases.
        message: one line, without the hint.
        hint: one line: what to do.
        exit_status: what the command line exits with.
        http_status: what a web layer answers with.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        row = CODES[code]
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = row.hint if hint is None else hint
        self.http_status = row.http_status

    def __reduce__(self) -> tuple[object, ...]:
        # An error crosses to another process as what it is: pools of workers raise it again.
        return _again, (type(self), self.code, self.message, self.hint)


def _again(family: type[NomError], code: str, message: str, hint: str) -> NomError:
    return family(code, message, hint=hint)


class InputError(NomError):
    """Refuse a value that no state of the data could make right."""

    exit_status = 2


class RuleViolation(NomError):
    """Refuse an action that the rules of a negotiation do not allow now."""

    exit_status = 3


class Conflict(NomError):
    """Refuse an action because somebody else moved first; looking again helps."""

    exit_status = 4


class NotFound(NomError):
    """Name something that is not there."""

    exit_status = 5


class RecordError(NomError):
    """Refuse a file that is malformed, too large, or not what its name says."""

    exit_status = 6


class StoreError(NomError):
    """Report that the store underneath could not do its work."""

    exit_status = 7


class ConfigurationError(NomError):
    """Refuse a data root, a setting or an extension that cannot work."""

    exit_status = 8


class Difference(NomError):
    """Report that two things which must agree do not."""

    exit_status = 9


class Mended(NomError):
    """Report that something was wrong, and has been put right."""

    exit_status = 10


class Unhealthy(NomError):
    """Report that something is wrong which only a person can put right."""

    exit_status = 11


FAMILIES: Final[tuple[type[NomError], ...]] = (
    InputError,
    RuleViolation,
    Conflict,
    NotFound,
    RecordError,
    StoreError,
    ConfigurationError,
    Difference,
    Mended,
    Unhealthy,
)
