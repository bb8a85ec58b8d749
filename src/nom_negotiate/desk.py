"""The desk: a data root, the parties at it, and what concerns all of them.

What only some of the uses need is imported by them: an idle `nom poll` has no use for records.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nom_negotiate.core.identity import Address, check_id, parse_address
from nom_negotiate.errors import Conflict, NotFound, RuleViolation, StoreError

if TYPE_CHECKING:
    from nom_negotiate.core.listings import Listed
    from nom_negotiate.core.negotiation import Negotiation, Problem
    from nom_negotiate.core.party import Settings
    from nom_negotiate.core.terms import Number
    from nom_negotiate.extensions import Hook, Validator
    from nom_negotiate.figures import Stats, Volume
    from nom_negotiate.party import Party
    from nom_negotiate.report import Report
    from nom_negotiate.store.port import Packing, Store
    from nom_negotiate.watch import Watch


def _log(text: str) -> None:
    import logging  # whoever names a `notice` does without it

    logging.getLogger("nom_negotiate").info(text)


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
        notice: Callable[[str], object] = _log,
    ) -> None:
        self.store: Store
        if isinstance(data, str | os.PathLike):
            from nom_negotiate.store.files.store import FileStore

            self.store = FileStore(data, durable=durable)
        else:
            self.store = data
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
        from nom_negotiate.core.party import Settings

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
        from nom_negotiate.party import Party

        return Party(self, parse_address(address))

    def parties(self) -> list[Party]:
        """Return every party that has a directory, by address."""
        from nom_negotiate.party import Party

        return [Party(self, address) for address in self.store.parties()]

    def add_party(self, address: str, *, display_name: str | None = None) -> bool:
        """Create a party's directory, in a closed root too; return whether it was new.

        Args:
            address: whose.
            display_name: what it calls itself, at most 100 characters.

        Raises:
            InputError: `invalid_text`, `invalid_address`.
        """
        from nom_negotiate.core.party import Profile, check_display_name

        party = parse_address(address)
        if display_name is not None:
            check_display_name(display_name)
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
        from nom_negotiate.core.negotiation import view

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
        return self.party(found[0].initiator).negotiation(negotiation_id)

    def listings(
        self,
        *,
        chemical: str | None = None,
        side: str | None = None,
        text: str | None = None,
        min_price: Number | None = None,
        max_price: Number | None = None,
        party: str | None = None,
        closed: bool = False,
    ) -> list[Listed]:
        """Return the listings of all parties, best price first; see `market.view`."""
        from nom_negotiate import market

        return market.view(
            self,
            chemical=chemical,
            side=side,
            text=text,
            min_price=min_price,
            max_price=max_price,
            party=party,
            closed=closed,
        )

    def poll(self, *, scan: bool = False) -> Report:
        """Make one pass: decide, settle and archive what is ready; see `Poller.poll`.

        Args:
            scan: look at every negotiation, trusting no hint: for what was written by programs
                that ring no doorbell, and need not wait for the next scan.
        """
        from nom_negotiate.poller import Poller

        return Poller(
            self.store, clock=self._clock, validators=self.validators, hooks=self.hooks
        ).poll(scan=scan)

    def watch(
        self,
        party: str | None = None,
        negotiation: str | None = None,
        *,
        warn_ahead_s: int | None = None,
        timeout_s: float | None = None,
    ) -> Watch:
        """Return what happens from now on: an iterator of typed events, see `Watch`.

        Whoever writes is seen, each change once, and those of one negotiation in their order.
        What was there before is no event; that it is about to expire is.

        Args:
            party: only what concerns this party: its negotiations and its own listings.
            negotiation: only negotiations of this id, and no listings.
            warn_ahead_s: how many seconds before a negotiation expires that is told; None for
                six hours, or a quarter of the silence that it lasts where that is less.
            timeout_s: seconds without an event after which the iteration ends; None for never.

        Raises:
            InputError: `invalid_address`, `invalid_id`.
            StoreError: where the store cannot be looked at.
        """
        from nom_negotiate.watch import Watch

        return Watch(
            self.store,
            clock=self._clock,
            party=None if party is None else parse_address(party),
            negotiation_id=None if negotiation is None else check_id(negotiation),
            warn_ahead_s=warn_ahead_s,
            timeout_s=timeout_s,
            notice=self._notice,
        )

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
        from nom_negotiate.store.port import PACK_AT_MOST, Packing

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
        from nom_negotiate.store.port import Packing

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
            from nom_negotiate import extensions

            self._validators = extensions.load(extensions.VALIDATORS)
        return self._validators

    def hooks(self) -> tuple[Hook, ...]:
        """Return what is called after a deal is settled."""
        if self._hooks is None:
            from nom_negotiate import extensions

            self._hooks = extensions.load(extensions.AFTER_SETTLEMENT)
        return self._hooks

    # Figures

    def stats(self) -> Stats:
        """Return the figures of the whole root. Reads every transaction."""
        from nom_negotiate.figures import Stats, Volume, is_carried_over, with_transaction

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
                if is_carried_over(transaction):
                    carried_over += 1
                    continue
                transactions += 1
                settled += transaction.settled
                known = volumes.get(transaction.chemical, Volume())
                volumes[transaction.chemical] = with_transaction(known, transaction)
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
