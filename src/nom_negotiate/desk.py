"""The desk: a data root, the parties at it, and what concerns all of them."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Context, Decimal

import msgspec

from nom_negotiate import extensions
from nom_negotiate.core.identity import Address, check_id, parse_address
from nom_negotiate.core.negotiation import Negotiation, Problem, view
from nom_negotiate.core.outcome import Side, Transaction
from nom_negotiate.core.party import Profile, Settings
from nom_negotiate.errors import Conflict, NotFound, RuleViolation, StoreError
from nom_negotiate.extensions import Hook, Validator
from nom_negotiate.party import Party
from nom_negotiate.poller import Poller, Report
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.port import PACK_AT_MOST, Packing, Store

# Sums of products of two numbers of 15 digits within 10^-20 .. 10^20: exact, never rounded.
_EXACT = Context(prec=200)

_log = logging.getLogger("nom_negotiate")


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """What was traded of one chemical, over all parties.

    Attributes:
        bought: units, from the buyers' transactions.
        sold: units, from the sellers' transactions.
        paid: money, from the buyers' transactions: the sum of price times quantity.
        received: money, from the sellers' transactions.
    """

    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    received: Decimal = Decimal(0)

    @property
    def conserved(self) -> bool:
        """Return whether both sides agree to the last digit."""
        return self.bought == self.sold and self.paid == self.received


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a data root.

    Attributes:
        parties: how many there are.
        active: negotiations that go on.
        ended: archived negotiations by the way in which they ended.
        transactions: files of both sides, without those carried over.
        settled: how many of those are marked.
        carried_over: transactions that a migration brought from old data. The old programs
            left some on one side only, so they would spoil the balance of our own.
        volumes: what was traded, by chemical, without what was carried over.
        last_pass: the last line of the stats log; None before the first pass.
    """

    parties: int
    active: int
    ended: dict[str, int]
    transactions: int
    settled: int
    carried_over: int = 0
    volumes: dict[str, Volume]
    last_pass: bytes | None


class Desk:
    """A place where parties negotiate: one data root.

    Cheap to make: nothing is read or written until it is used. Threads may share one.

    Args:
        data: the data root, or a store. A root that does not exist is set up by the first
            thing that is written.
        clock: returns unix seconds.
        durable: with False, a power cut may lose what was reported as done; see
            `FileStore`.
        validators: asked before a deal is concluded; None for those of installed packages.
        after_settlement: called after a deal is settled; None for those of installed
            packages.
        notice: told in one line what the caller did not ask for: a party that was new, a
            file that was left out. The default logs to `nom_negotiate`.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | Store = "data",
        *,
        clock: Callable[[], float] = time.time,
        durable: bool = True,
        validators: Iterable[Validator] | None = None,
        after_settlement: Iterable[Hook] | None = None,
        notice: Callable[[str], object] = _log.info,
    ) -> None:
        self.store: Store = (
            FileStore(data, durable=durable) if isinstance(data, str | os.PathLike) else data
        )
        self._clock = clock
        self._validators = None if validators is None else tuple(validators)
        self._hooks = None if after_settlement is None else tuple(after_settlement)
        self._notice = notice

    def now(self) -> int:
        """Return the desk's time in unix seconds."""
        return int(self._clock())

    # Set-up and parties

    def initialise(self, settings: Settings | None = None) -> bool:
        """Set the data root up, or change its settings; return whether it was new.

        Raises:
            ConfigurationError: `unusable_root`, `unsupported_file_system`.
        """
        return self.store.initialise(settings or Settings())

    @property
    def settings(self) -> Settings:
        """Return how the data root was set up."""
        return self.store.settings()

    def party(self, address: str) -> Party:
        """Return the party of that address, to act as it.

        Raises:
            InputError: `invalid_address`.
        """
        return Party(self, parse_address(address))

    def parties(self) -> list[Party]:
        """Return every party that has a directory, by address."""
        return [Party(self, address) for address in self.store.parties()]

    def add_party(self, address: str, *, display_name: str | None = None) -> bool:
        """Create a party's directory, in a closed root too; return whether it was new."""
        party = parse_address(address)
        return self.store.add_party(
            Profile(address=party, display_name=display_name or party, created=self.now())
        )

    def admit(self, *parties: Address) -> None:
        """Create the directories of parties that are mentioned for the first time.

        All of them are admitted, or none.

        Raises:
            RuleViolation: `closed_root`.
        """
        strangers = [party for party in parties if not self.store.known(party)]
        if strangers and self.settings.closed:
            raise RuleViolation(
                "closed_root", f"{strangers[0]} is unknown here, and this data root is closed"
            )
        for party in strangers:
            if self.add_party(party):
                self._notice(f"created a directory for {party}")

    # Negotiations

    def negotiations(self, *, archived: bool = False) -> list[Negotiation]:
        """Return the negotiations of the whole root, by initiator and id.

        Packs that cannot be read are left out, and told to `notice`.
        """
        if archived:
            self.tell_of_packs(*self.store.parties())
        return self._negotiations(archived=archived)

    def _negotiations(self, *, archived: bool) -> list[Negotiation]:
        now, limits = self.now(), self.settings.limits
        found = []
        for place in self.store.namespaces(archived=archived):
            snapshot = self.store.snapshot(place)
            if snapshot is not None and snapshot.states:
                found.append(view(snapshot, now, limits))
        return found

    def archive(self) -> list[Negotiation]:
        """Return the archived negotiations of the whole root."""
        return self.negotiations(archived=True)

    def negotiation(self, negotiation_id: str) -> Negotiation:
        """Return the negotiation of that id. Looks at every party; `Party` does not.

        Raises:
            NotFound: `unknown_negotiation`.
            Conflict: `ambiguous_negotiation`, where two pairs have one of that id.
        """
        check_id(negotiation_id)
        found = [
            place
            for party in self.store.parties()
            if (place := self.store.find(party, negotiation_id)) is not None
            and place.initiator == party
        ]
        if not found:
            raise NotFound("unknown_negotiation", f"there is no negotiation {negotiation_id!a}")
        if len(found) > 1:
            owners = " and ".join(place.initiator for place in found)
            raise Conflict(
                "ambiguous_negotiation", f"{negotiation_id} is at {owners}: each has one"
            )
        return Party(self, found[0].initiator).negotiation(negotiation_id)

    def poll(self) -> Report:
        """Make one pass: decide, settle and archive what is ready; see `Poller.poll`."""
        return Poller(
            self.store, clock=self._clock, validators=self.validators, hooks=self.hooks
        ).poll()

    # Retention

    def pack(self, older_than_s: int, *, party: str | None = None) -> Packing:
        """Pack what ended that long ago: archived negotiations and settled transactions.

        What is packed is found and read as before. Durable and idempotent. What cannot be
        packed exactly stays where it is and is told in `problems`.

        Args:
            older_than_s: seconds.
            party: only its transactions, and the negotiations that it is a party of.

        Raises:
            Conflict: `busy`, while a pass is running.
        """
        before = self.now() - older_than_s
        address = None if party is None else parse_address(party)
        done = Packing()
        if not self.store.is_set_up():
            # Taking the lock would make a root where somebody has mistyped its name.
            return done
        with self._alone():
            while True:
                packing = self.store.pack(before, party=address, at_most=4 * PACK_AT_MOST)
                done = Packing(
                    done.negotiations + packing.negotiations,
                    done.transactions + packing.transactions,
                    # Whatever stays is met again each time.
                    packing.problems,
                )
                if not packing.more or not (packing.negotiations or packing.transactions):
                    return done

    def unpack(self, what: str, *, party: str | None = None) -> Packing:
        """Put back what is packed, the same bytes under the same names.

        Args:
            what: a month such as `2026-01`, the id of a negotiation (with its transactions), or
                the name of a transaction.
            party: whose; None for those of everybody.

        Raises:
            NotFound: `not_packed`.
            Conflict: `busy`, while a pass is running.
        """
        check_id(what)
        address = None if party is None else parse_address(party)
        packing = Packing()
        if self.store.is_set_up():
            with self._alone():
                packing = self.store.unpack(what, address)
        if not (packing.negotiations or packing.transactions or packing.problems):
            raise NotFound("not_packed", f"nothing that is packed is called {what}")
        return packing

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.store.polling() as free:
            if not free:
                raise Conflict("busy", "a pass is running, which may pack, too")
            yield

    # Extensions

    def validators(self) -> tuple[Validator, ...]:
        """Return what is asked before a deal is concluded."""
        if self._validators is None:
            self._validators = extensions.load(extensions.VALIDATORS)
        return self._validators

    def hooks(self) -> tuple[Hook, ...]:
        """Return what is called after a deal is settled."""
        if self._hooks is None:
            self._hooks = extensions.load(extensions.AFTER_SETTLEMENT)
        return self._hooks

    # Figures

    def stats(self) -> Stats:
        """Return the figures of the whole root. Reads every transaction."""
        parties = self.store.parties()
        ended: dict[str, int] = {}
        for negotiation in self._negotiations(archived=True):
            ended[negotiation.phase] = ended.get(negotiation.phase, 0) + 1
        volumes: dict[str, Volume] = {}
        transactions = settled = carried_over = 0
        for party in parties:
            filed, problems = self.store.transactions(party)
            self.tell(problems)
            for _, transaction in filed:
                if _is_carried_over(transaction):
                    carried_over += 1
                    continue
                transactions += 1
                settled += transaction.settled
                known = volumes.get(transaction.chemical, Volume())
                volumes[transaction.chemical] = _with(known, transaction)
        return Stats(
            parties=len(parties),
            active=sum(1 for _ in self.store.namespaces()),
            ended=ended,
            transactions=transactions,
            settled=settled,
            carried_over=carried_over,
            volumes=volumes,
            last_pass=self._last_pass(),
        )

    def _last_pass(self) -> bytes | None:
        try:
            return next(iter(deque(self.store.passes(), maxlen=1)), None)
        except StoreError as error:
            # The figures do not come from there.
            self._notice(f"left out the last pass: {error.message}; {error.hint}")
            return None

    def tell_of_packs(self, *parties: Address) -> None:
        """Tell what of the parties' packs is left out."""
        for party in parties:
            for pack in self.store.packs(party):
                self.tell(pack.problems)

    def tell(self, problems: Iterable[Problem]) -> None:
        """Tell of what was left out, one line each."""
        for problem in problems:
            self._notice(f"left out {problem.path}: {problem.reason}")


def _is_carried_over(transaction: Transaction) -> bool:
    # What was settled here has a key, whatever its owner has noted in it since.
    return "legacy_id" in transaction.extra and transaction.agreement_key is None


def _with(volume: Volume, transaction: Transaction) -> Volume:
    money = _EXACT.multiply(transaction.price, transaction.quantity)
    if transaction.type is Side.BUY:
        return msgspec.structs.replace(
            volume,
            bought=_EXACT.add(volume.bought, transaction.quantity),
            paid=_EXACT.add(volume.paid, money),
        )
    return msgspec.structs.replace(
        volume,
        sold=_EXACT.add(volume.sold, transaction.quantity),
        received=_EXACT.add(volume.received, money),
    )
