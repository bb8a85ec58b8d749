"""From the files of a namespace to a snapshot: the one place that says whose file is whose.

Rules of the room:

- Input is bytes by file name; where they come from is the store's business.
- What cannot be trusted becomes a `Problem` and is stepped over. It makes the snapshot
  undecidable only where it is one of the two parties' own files, or the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, directory_name, short_name, state_file_name
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.state import PartyState
from nom_negotiate.errors import RecordError

OUTCOME_NAME: Final = "outcome.json"
STATE_SUFFIX: Final = "_state.json"

File = bytes | RecordError
"""What a store found under a name: its bytes, or why it did not read them."""


def assemble(
    namespace_id: str,
    initiator: Address,
    files: Mapping[str, File],
    *,
    where: str,
    linked: Callable[[Address], bool],
    archived: bool,
) -> Snapshot:
    """Return the snapshot that these files of the same moment make.

    Args:
        namespace_id: the name of the namespace.
        initiator: the party whose directory holds it.
        files: the state files and the outcome, by name.
        where: path of the namespace relative to the data root, for problems.
        linked: whether that party's directory has a link to this namespace.
        archived: whether it lies in the archive.
    """
    return _Assembly(namespace_id, initiator, where, linked).snapshot(files, archived)


class _Assembly:
    def __init__(
        self, namespace_id: str, initiator: Address, where: str, linked: Callable[[Address], bool]
    ) -> None:
        self.id = namespace_id
        self.initiator = initiator
        self.where = where
        self.linked = linked
        self.problems: list[Problem] = []
        self.decidable = True

    def snapshot(self, files: Mapping[str, File], archived: bool) -> Snapshot:
        outcome = self.outcome(files.get(OUTCOME_NAME))
        states, unreadable = self.parsed(files)
        own = self.of(states, self.initiator)
        responder = self.responder(own, states)
        theirs = None if responder is None else self.of(states, responder)
        self.strangers(states, responder)
        self.broken(unreadable, responder)
        if own is not None and theirs is not None:
            self.contradictions(own, theirs)
        if responder == self.initiator:
            self.problem(None, "expected two parties, found one on both sides", blocks=True)
            responder = None
        found = {
            state.user: (state, data)
            for state, data in states.values()
            if state in (own, theirs) and state.user in (self.initiator, responder)
        }
        return Snapshot(
            id=self.id,
            initiator=self.initiator,
            responder=responder,
            states={user: state for user, (state, _) in found.items()},
            digests={user: sha256(data).hexdigest() for user, (_, data) in found.items()},
            outcome=outcome,
            problems=tuple(self.problems),
            decidable=self.decidable,
            archived=archived,
        )

    def problem(self, name: str | None, reason: str, *, blocks: bool = False) -> None:
        path = self.where if name is None else f"{self.where}/{name}"
        self.problems.append(Problem(path=path, reason=reason))
        self.decidable = self.decidable and not blocks

    def outcome(self, file: File | None) -> Outcome | None:
        if file is None:
            return None
        try:
            if isinstance(file, RecordError):
                raise file
            outcome = codec.decode_outcome(file)
        except RecordError as error:
            self.problem(OUTCOME_NAME, f"{error.message}; {error.hint}", blocks=True)
            return None
        if (outcome.negotiation_id, outcome.initiator) != (self.id, self.initiator):
            self.problem(
                OUTCOME_NAME,
                f"is the outcome of {outcome.negotiation_id} of {outcome.initiator}; move it away",
                blocks=True,
            )
            return None
        return outcome

    def parsed(
        self, files: Mapping[str, File]
    ) -> tuple[dict[str, tuple[PartyState, bytes]], dict[str, RecordError]]:
        states: dict[str, tuple[PartyState, bytes]] = {}
        unreadable: dict[str, RecordError] = {}
        for name in sorted(files):
            if not name.endswith(STATE_SUFFIX):
                continue
            file = files[name]
            try:
                if isinstance(file, RecordError):
                    raise file
                states[name] = (codec.decode_state(file, self.id), file)
            except RecordError as error:
                unreadable[name] = error
        return states, unreadable

    def of(
        self, states: Mapping[str, tuple[PartyState, bytes]], user: Address
    ) -> PartyState | None:
        """Return the state that `user` wrote under a name of its own."""
        mine = [
            state
            for name, (state, _) in states.items()
            if state.user == user and name in _names(user)
        ]
        return mine[0] if mine else None

    def responder(
        self, own: PartyState | None, states: Mapping[str, tuple[PartyState, bytes]]
    ) -> Address | None:
        if own is not None and own.counterparty is not None:
            return own.counterparty
        # The original format does not say whom it is written to. Whoever else has written
        # here is the counterparty; among several, the one who has a link to this namespace.
        others = sorted(
            {
                state.user
                for name, (state, _) in states.items()
                if state.user != self.initiator and name in _names(state.user)
            }
        )
        linked = [user for user in others if self.linked(user)]
        for found in (linked, others):
            if len(found) == 1:
                return found[0]
        return None

    def strangers(
        self, states: Mapping[str, tuple[PartyState, bytes]], responder: Address | None
    ) -> None:
        parties = {self.initiator, responder}
        for name, (state, _) in states.items():
            if state.user not in parties:
                self.problem(name, f"was left by {state.user}, who is no party here; move it away")
            elif name not in _names(state.user):
                self.problem(
                    name,
                    f"says it is of {state.user}, whose file is {short_name(state.user)}"
                    f"{STATE_SUFFIX}; move it away",
                )

    def broken(self, unreadable: Mapping[str, RecordError], responder: Address | None) -> None:
        if responder is None:
            parties = None
        else:
            parties = {
                state_file_name(self.initiator, responder),
                state_file_name(responder, self.initiator),
            }
        for name, error in unreadable.items():
            self.problem(
                name,
                f"{error.message}; {error.hint}",
                blocks=parties is None or name in parties,
            )

    def contradictions(self, own: PartyState, theirs: PartyState) -> None:
        name = state_file_name(theirs.user, own.user)
        if theirs.counterparty not in (None, own.user):
            self.problem(
                name, f"is addressed to {theirs.counterparty}, not to {own.user}", blocks=True
            )
        if theirs.chemical != own.chemical:
            self.problem(
                name,
                f"is over {theirs.chemical[:24]!a}, the initiator's over {own.chemical[:24]!a}",
                blocks=True,
            )
        if own.role is not None and own.role == theirs.role:
            self.problem(name, f"both parties say that they are the {own.role}", blocks=True)
        if own.role is None and theirs.role is None:
            self.problem(name, "neither party says who buys and who sells", blocks=True)


def _names(user: Address) -> tuple[str, str]:
    return f"{short_name(user)}{STATE_SUFFIX}", f"{directory_name(user)}{STATE_SUFFIX}"
