"""From the files of a namespace to a snapshot: the one place that says whose file is whose.

Rules of the room:

- Input is bytes by file name; where they come from is the store's business.
- What cannot be trusted becomes a `Problem` and is stepped over. It makes the snapshot
  undecidable only where it is one of the two parties' own files, or the outcome.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from nom_negotiate import codec
from nom_negotiate.codec.torn import is_torn
from nom_negotiate.core import evidence
from nom_negotiate.core.identity import (
    MAX_REMEMBERED,
    Address,
    directory_name,
    negotiation_id,
    short_name,
    state_file_name,
)
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.state import PartyState
from nom_negotiate.core.terms import plain
from nom_negotiate.errors import RecordError

OUTCOME_NAME: Final = "outcome.json"
STATE_SUFFIX: Final = "_state.json"
SET_ASIDE: Final = "the next poll sets it aside"

MAX_KEPT: Final = 256
"""States that are remembered with the bytes that they were read from: the latest ones."""

MAX_KEPT_BYTES: Final = 4096
"""The longest of them; nearly all are shorter."""

STRANGER: Final = 3
"""The rank of a file that is hardly a party's own; see `rank`."""

File = bytes | RecordError
"""What a store found under a name: its bytes, or why it did not read them."""


def rank(namespace_id: str, initiator: Address, responder: Address | None, name: str) -> int:
    """Return how early a file of a namespace is to be looked at, where there are too many.

    0 for the outcome, 1 for the initiator's and the responder's names, 2 for a name that the id
    names: an id is a label and proves nothing, but no more names stand in it than can be looked
    at. The rest is `STRANGER`.
    """
    if name == OUTCOME_NAME:
        return 0
    if name in _names(initiator) or (responder is not None and name in _names(responder)):
        return 1
    short = name.removesuffix(STATE_SUFFIX).partition("@")[0]
    return 2 if f"_{short}_" in f"_{namespace_id}_" else STRANGER


def assemble(
    namespace_id: str,
    initiator: Address,
    files: Mapping[str, File],
    *,
    where: str,
    linked: Callable[[Address], bool],
    archived: bool,
    owned: Callable[[str, Address | None], bool] | None = None,
) -> Snapshot:
    """Return the snapshot that these files of the same moment make.

    Args:
        namespace_id: the name of the namespace.
        initiator: the party whose directory holds it.
        files: the state files and the outcome, by name.
        where: path of the namespace relative to the data root, for problems.
        linked: whether that party's directory has a link to this namespace.
        archived: whether it lies in the archive.
        owned: whether the file of that name was written by that party, or by the poller where
            it is None; None from a store that cannot tell.
    """
    return _Assembly(namespace_id, initiator, where, linked, owned).snapshot(files, archived)


class _File(NamedTuple):
    """A state, and the sha256 of the bytes that it was read from."""

    state: PartyState
    digest: str

    @property
    def user(self) -> Address:
        return self.state.user

    def would_be(self, name: str) -> bool:
        """Return whether its author, who knows whom it is written to, would name it so."""
        other = self.state.counterparty
        return other is not None and state_file_name(self.user, other) == name


Parsed = Mapping[str, _File]


def _read(data: bytes, namespace_id: str) -> _File:
    if len(data) <= MAX_KEPT_BYTES and (found := _read_ordinary(data, namespace_id)):
        return found
    return _File(codec.decode_state(data, namespace_id), sha256(data).hexdigest())


@functools.lru_cache(MAX_KEPT)
def _read_ordinary(data: bytes, namespace_id: str) -> _File | None:
    # Whoever acts, or looks again and again, reads mostly what was read a moment ago, and the
    # same bytes say the same. What is refused is not kept, nor what somebody could change.
    state = codec.decode_ordinary_state(data, namespace_id)
    return None if state is None else _File(state, sha256(data).hexdigest())


class _Assembly:
    def __init__(
        self,
        namespace_id: str,
        initiator: Address,
        where: str,
        linked: Callable[[Address], bool],
        owned: Callable[[str, Address | None], bool] | None,
    ) -> None:
        self.id = namespace_id
        self.initiator = initiator
        self.where = where
        self.linked = linked
        self.owned = owned
        self.problems: list[Problem] = []
        self.decidable = True

    def snapshot(self, files: Mapping[str, File], archived: bool) -> Snapshot:
        outcome = self.outcome(files[OUTCOME_NAME]) if OUTCOME_NAME in files else None
        states, unreadable = self.parsed(files)
        own = self.named(states, self.initiator)
        responder = self.responder(states[own].state if own else None, states)
        theirs = None if responder is None else self.named(states, responder)
        counted = [name for name in (own, theirs) if name is not None]
        if len(counted) < len(states):
            self.strangers(states, counted, responder)
        if unreadable:
            self.broken(unreadable, responder)
        if own is not None and theirs is not None:
            self.contradictions(states[own].state, states[theirs].state)
        self.doubts(states, counted)
        if outcome is not None and not archived:
            outcome = self.borne_out(outcome, states)
        said: dict[Address, PartyState] = {}
        digests: dict[Address, str] = {}
        paths: dict[Address, str] = {}
        for name in counted:
            state, digest = states[name]
            user = state.user
            said[user] = state
            digests[user] = digest
            paths[user] = f"{self.where}/{name}"
        return Snapshot(
            id=self.id,
            initiator=self.initiator,
            responder=responder,
            states=said,
            digests=digests,
            outcome=outcome,
            problems=tuple(self.problems),
            decidable=self.decidable,
            archived=archived,
            paths=paths,
        )

    def problem(self, name: str | None, reason: str, *, blocks: bool = False) -> None:
        path = self.where if name is None else f"{self.where}/{name}"
        self.problems.append(Problem(path=path, reason=reason))
        self.decidable = self.decidable and not blocks

    def is_owned(self, name: str, party: Address | None) -> bool:
        return self.owned is None or self.owned(name, party)

    def outcome(self, file: File) -> Outcome | None:
        if not self.is_owned(OUTCOME_NAME, None):
            self.problem(OUTCOME_NAME, f"is not the poller's; {SET_ASIDE}")
            return None
        try:
            if isinstance(file, RecordError):
                raise file
            outcome = codec.decode_outcome(file)
        except RecordError as error:
            if isinstance(file, bytes) and is_torn(file):
                # Nothing has followed from it, and nobody was told of it: what both say counts.
                self.problem(OUTCOME_NAME, "is torn, by a power cut; the next poll makes it anew")
            else:
                self.problem(OUTCOME_NAME, f"{error.message}; {error.hint}", blocks=True)
            return None
        if (outcome.negotiation_id, outcome.initiator) != (self.id, self.initiator):
            self.problem(
                OUTCOME_NAME,
                f"is the outcome of {outcome.negotiation_id[:80]!a} of {outcome.initiator};"
                " move it away",
                blocks=True,
            )
            return None
        return outcome

    def borne_out(self, outcome: Outcome, states: Parsed) -> Outcome | None:
        """Return the outcome, unless it settles what neither of its parties has ever said."""
        deal = outcome.deal
        names = {
            party: name
            for party in ((deal.buyer, deal.seller) if deal else ())
            if (name := self.named(states, party)) is not None
        }
        said = {party: states[name].state for party, name in names.items()}
        digests = {party: states[name].digest for party, name in names.items()}
        if deal is None or evidence.borne_out(outcome, said, digests):
            return outcome
        self.problem(
            OUTCOME_NAME,
            f"settles {plain(deal.quantity)} at {plain(deal.price)} between {deal.buyer} and"
            f" {deal.seller}, and the file of neither says or has said so; move it away, unless"
            " both know of it",
            blocks=True,
        )
        return None

    def parsed(self, files: Mapping[str, File]) -> tuple[Parsed, dict[str, RecordError]]:
        states: dict[str, _File] = {}
        unreadable: dict[str, RecordError] = {}
        for name in sorted(files):
            if not name.endswith(STATE_SUFFIX):
                continue
            file = files[name]
            try:
                if isinstance(file, RecordError):
                    raise file
                found = _read(file, self.id)
                if self.owned is None or self.owned(name, found.user):
                    states[name] = found
                else:
                    self.problem(name, f"was not written by {found.user}; {SET_ASIDE}")
            except RecordError as error:
                unreadable[name] = error
        return states, unreadable

    def named(self, states: Parsed, user: Address) -> str | None:
        """Return the name of the file that is what `user` says.

        There may be two: the original format always used the short name, and where both
        parties have the same one, ours uses the whole address. The one that its author
        would write today counts.
        """
        mine = [name for name in _names(user) if name in states and states[name].state.user == user]
        if len(mine) == 2:
            mine = [name for name in mine if states[name].would_be(name)] + mine
        return mine[0] if mine else None

    def responder(self, own: PartyState | None, states: Parsed) -> Address | None:
        if own is not None and own.counterparty is not None:
            return own.counterparty
        # The original format does not say whom it is written to. Whoever else has written
        # here is the counterparty; among several, the one who has a link to this namespace.
        others = sorted(
            {
                file.user
                for name, file in states.items()
                if file.user != self.initiator
                and name in _names(file.user)
                and file.state.counterparty in (None, self.initiator)
            }
        )
        linked = [user for user in others if self.linked(user)]
        for found in (linked, others):
            if len(found) == 1:
                return found[0]
        if own is None:
            # Somebody has answered a listing, and a stranger may have left a file and a link, too,
            # before its author has spoken. An id proves nothing, but two of them do not fit it.
            answers = [
                file.user
                for name, file in states.items()
                if file.user in linked and self.fits(name, file)
            ]
            return answers[0] if len(answers) == 1 else None
        return None

    def fits(self, name: str, file: _File) -> bool:
        """Return whether this answers a listing, and id and name are what they would be then."""
        if file.state.listing is None or not file.would_be(name):
            return False
        label = negotiation_id(self.initiator, file.user, file.state.chemical, 0)[:-1]
        return self.id.startswith(label) and self.id.removeprefix(label).isdigit()

    def strangers(
        self, states: Parsed, counted: Collection[str], responder: Address | None
    ) -> None:
        for name, file in states.items():
            if name in counted:
                continue
            if file.user not in (self.initiator, responder):
                self.problem(name, f"was left by {file.user}, who is no party here; move it away")
            elif name not in _names(file.user):
                self.problem(
                    name,
                    f"says it is of {file.user}, whose file is {short_name(file.user)}"
                    f"{STATE_SUFFIX}; move it away",
                )
            else:
                self.problem(name, f"{file.user} has another file, which counts; move it away")

    def broken(self, unreadable: Mapping[str, RecordError], responder: Address | None) -> None:
        if responder is None:
            parties = None
        else:
            parties = {
                state_file_name(self.initiator, responder): self.initiator,
                state_file_name(responder, self.initiator): responder,
            }
        for name, error in unreadable.items():
            author = None if parties is None else parties.get(name)
            if author is not None and not self.is_owned(name, author):
                self.problem(name, f"was not written by {author}; {SET_ASIDE}")
                continue
            self.problem(
                name,
                f"{error.message}; {error.hint}",
                blocks=parties is None or author is not None,
            )

    def contradictions(self, own: PartyState, theirs: PartyState) -> None:
        if (
            theirs.counterparty == own.user
            and theirs.chemical == own.chemical
            and own.role is not None
            and own.role.other == theirs.role
        ):
            return
        name = state_file_name(theirs.user, own.user)
        if theirs.counterparty not in (None, own.user):
            self.problem(
                name,
                f"is addressed to {theirs.counterparty}, not to {own.user}; {evidence.REWRITE}",
                blocks=True,
            )
        if theirs.chemical != own.chemical:
            self.problem(
                name,
                f"is over {theirs.chemical}, the initiator's over {own.chemical};"
                f" {evidence.REWRITE}",
                blocks=True,
            )
        if own.role is not None and own.role == theirs.role:
            self.problem(
                name,
                f"both parties say that they are the {own.role}; {evidence.REWRITE}",
                blocks=True,
            )
        if own.role is None and theirs.role is None:
            # Nothing in it is wrong: they can agree on nothing, and it may expire.
            reason = f"neither party says who buys and who sells; {evidence.REWRITE}"
            self.problem(name, reason)

    def doubts(self, states: Parsed, counted: Sequence[str]) -> None:
        said = [states[name].state for name in counted]
        nobody_accepts = not any(map(evidence.accepts, said))
        for name, state in zip(counted, said, strict=True):
            if reason := evidence.miscounted(state):
                # The terms are what they are, whatever their number.
                self.problem(name, reason)
            if nobody_accepts:
                # What follows doubts an acceptance, or what one was given to.
                continue
            for other in said:
                if other is state:
                    continue
                for doubt in (evidence.dated_back, evidence.gone_back):
                    if reason := doubt(state, other):
                        self.problem(name, reason, blocks=True)


@functools.lru_cache(MAX_REMEMBERED)
def _names(user: Address) -> tuple[str, str]:
    return f"{short_name(user)}{STATE_SUFFIX}", f"{directory_name(user)}{STATE_SUFFIX}"
