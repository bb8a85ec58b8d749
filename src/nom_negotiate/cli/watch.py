"""`nom watch`: what happens, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nom_negotiate.cli import completion, values
from nom_negotiate.cli.app import App, common, full_id
from nom_negotiate.cli.output import ReaderGone, Span, line, visible
from nom_negotiate.cli.stopping import stopped_by_signals
from nom_negotiate.cli.wording import clock

if TYPE_CHECKING:
    from nom_negotiate.cli.names import Names
    from nom_negotiate.cli.output import Line
    from nom_negotiate.core import events
    from nom_negotiate.core.events import Event
    from nom_negotiate.core.identity import Address
    from nom_negotiate.desk import Desk
    from nom_negotiate.watch import Watch


@click.command(
    epilog="""\b
Examples:
  nom watch
  nom watch alice_bob_C_1704312345
  nom watch --as alice@stonybrook.edu --json
""",
)
@click.argument(
    "negotiation_id", metavar="[ID]", required=False, shell_complete=completion.active_ids
)
@click.option(
    "--warn",
    metavar="TIME",
    help="How long before a negotiation expires to say so. [6h, or a quarter of its --idle]",
)
@common
@click.pass_obj
def watch(app: App, negotiation_id: str | None, warn: str | None) -> None:
    """Show what happens, until stopped.

    A line for each offer, acceptance, message, rejection, settlement and so on, whoever makes it,
    from now on; with --json one JSON object a line. Of one negotiation, of the party that acts, or
    of the whole data root. Ctrl-C, SIGTERM and a closed pipe end it with 0.
    """
    warn_ahead_s = values.parse_optional_duration(warn, "--warn")
    desk, party = app.existing_desk(), app.address
    if negotiation_id is not None:
        negotiation_id = _found(desk, party, negotiation_id)
    stopping = _Stopping()
    with (
        stopped_by_signals(stopping.stop),
        desk.watch(party, negotiation_id, warn_ahead_s=warn_ahead_s) as watched,
    ):
        stopping.watch = watched
        app.out.notice(f"watching {app.root}; Ctrl-C ends it")
        if not stopping.is_asked:
            _show(app, watched)


class _Stopping:
    """Stops a watch, one that has not begun yet included."""

    watch: Watch | None = None
    is_asked = False

    def stop(self) -> None:
        self.is_asked = True
        if self.watch is not None:
            self.watch.stop()


def _found(desk: Desk, party: Address | None, beginning: str) -> str:
    from nom_negotiate.errors import NotFound

    negotiation_id = full_id(desk.store, party, beginning)
    parties = desk.store.parties() if party is None else [party]
    if not any(desk.store.find(each, negotiation_id) for each in parties):
        whose = "there is" if party is None else f"{party} has"
        raise NotFound("unknown_negotiation", f"{whose} no negotiation {negotiation_id[:80]!a}")
    return negotiation_id


def _show(app: App, watched: Watch) -> None:
    try:
        for event in watched:
            if app.out.as_json:
                app.out.json_line(event.as_dict())
            else:
                app.out.lines([_line(event, app.out.names)])
            # Each line is delivered at once: the next one may be hours away.
            app.out.flush()
    except ReaderGone:
        # Whoever has read enough closes the pipe.
        return


def _line(event: Event, names: Names) -> Line:
    from nom_negotiate.core import events  # help does without records

    parts: list[str | Span] = [f"{clock(event.at)}  "]
    if isinstance(event, events.NegotiationEvent):
        parts += [Span(visible(event.negotiation_id), "title"), "  "]
    text, style = _words(event, names)
    return line(*parts, Span(text, style))


def _words(event: Event, called: Names) -> tuple[str, str]:
    """Return what happened, in words, and the style of them."""
    from nom_negotiate.core import events

    def names(party: Address | None) -> str:
        return "somebody" if party is None else called.beside(party, visible(party))

    match event:
        case events.Started():
            answers = event.by is not None and event.by == event.responder
            other = names(event.initiator if answers else event.responder)
            begins = f"answers a listing of {other}" if answers else f"starts with {other}"
            does = "buys" if event.by == event.buyer else "sells"
            role = f", {does} {visible(event.chemical)}" if event.buyer or event.seller else ""
            return f"{names(event.by)} {begins}{role}", ""
        case events.OfferMade():
            kind = ", indicative" if event.firm is False else ""
            lapses = f", until {clock(event.valid_until)}" if event.valid_until else ""
            terms = f"{_terms(event)} (round {event.round}{kind}{lapses})"
            return f"{names(event.by)} offers {terms}{_why(event.reason)}", "warn"
        case events.Accepted():
            return f"{names(event.by)} accepts {_terms(event)} (round {event.round})", "good"
        case events.Rejected():
            who = "a validator" if event.by is None else names(event.by)
            return f"{who} rejects it{_why(event.reason)}", "bad"
        case events.Withdrawn():
            return f"{names(event.by)} withdraws{_why(event.reason)}", "bad"
        case events.Expired():
            return f"expired{_why(event.reason)}", "dim"
        case events.Expiring():
            return f"expires at {clock(event.expires_at)}, unless somebody speaks", "warn"
        case events.MessageSent():
            return f"{names(event.by)} says: {visible(event.text)}", ""
        case events.Settled():
            sides = f"{names(event.buyer)} buys from {names(event.seller)}"
            return f"settled {_terms(event)}: {sides}", "good"
        case events.ListingEvent():
            does = "posts" if isinstance(event, events.ListingPosted) else "closes"
            return f"{names(event.by)} {does} a listing: {event.type} {_listed(event)}", ""
    return event.kind, ""


def _why(reason: str | None) -> str:
    return f": {visible(reason)}" if reason else ""


def _terms(event: events.OfferMade | events.Accepted | events.Settled) -> str:
    from nom_negotiate.core.terms import CONDITIONS, plain

    words = [name for name in CONDITIONS if getattr(event, name) is not None]
    terms = f"{plain(event.quantity)} {visible(event.chemical)} at {plain(event.price)}"
    return f"{terms} ({', '.join(words)})" if words else terms


def _listed(event: events.ListingEvent) -> str:
    from nom_negotiate.core.terms import plain

    quantity = "" if event.quantity is None else f"{plain(event.quantity)} "
    price = "" if event.price is None else f" at {plain(event.price)}"
    return f"{quantity}{visible(event.chemical)}{price}"
