"""One negotiation, or many, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nom_negotiate.cli import shapes, wording
from nom_negotiate.cli.output import Column, Line, Output, Span, Table, cells, line, padded, visible

# The help of a command that shows a negotiation imports no record.
if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Move, Negotiation


def say_negotiation(out: Output, negotiation: Negotiation, viewer: Address | None = None) -> None:
    """Print what an action left behind: as JSON, or in two lines."""
    if out.as_json:
        out.json(shapes.of_negotiation(negotiation, viewer))
        return
    out.lines(summary(negotiation))


def show_negotiation(
    out: Output, negotiation: Negotiation, now: int, viewer: Address | None = None
) -> None:
    """Print all there is to a negotiation: as JSON, or with tables and a drawing."""
    if out.as_json:
        out.json(shapes.of_negotiation(negotiation, viewer))
        return
    out.lines(header(negotiation, now))
    if negotiation.moves:
        out.lines([[]])
        out.table(moves(negotiation, now))
        out.lines([[], *drawing(out, negotiation)])
    if negotiation.messages:
        out.lines([[], *messages(negotiation, now)])
    if negotiation.outcome is not None:
        out.lines([[], *ending(negotiation, now)])


def list_negotiations(
    out: Output, found: Iterable[Negotiation], now: int, viewer: Address | None = None
) -> None:
    """Print negotiations: as JSON, or as a table. Nothing where there are none."""
    if out.as_json:
        out.json([shapes.of_negotiation(negotiation, viewer) for negotiation in found])
        return
    rows = [_listed(negotiation, now) for negotiation in found]
    if rows:
        out.table(Table(_LISTED, rows))


_LISTED = (
    Column("ID"),
    Column("BUYER", rank=2),
    Column("SELLER", rank=2),
    Column("PHASE"),
    Column("TURN"),
    Column("ON THE TABLE", fold=True),
    Column("EXPIRES", rank=1),
)


def _listed(negotiation: Negotiation, now: int) -> list[Span]:
    table = negotiation.on_table
    whose = wording.name(negotiation, negotiation.turn) if negotiation.turn else "-"
    left = wording.relative(negotiation.expires_at, now) if negotiation.phase.open else "-"
    return [
        Span(visible(negotiation.id), "title"),
        Span(visible(negotiation.buyer or "?"), "buyer"),
        Span(visible(negotiation.seller or "?"), "seller"),
        Span(negotiation.phase.value, wording.PHASE_STYLES[negotiation.phase]),
        Span(whose),
        Span("-" if table is None else wording.deal(table, negotiation.chemical)),
        Span(left),
    ]


def summary(negotiation: Negotiation) -> list[Line]:
    """Return two lines: what it is and how far it has come, and what is on the table."""
    state = [wording.phase(negotiation), wording.turn(negotiation)]
    first = line(
        Span(visible(negotiation.id), "title"),
        "  ",
        Span(", ".join(filter(None, state)), wording.PHASE_STYLES[negotiation.phase]),
    )
    table = negotiation.on_table
    if table is None:
        return [first]
    who = wording.name(negotiation, table.by)
    return [first, line(f"  {who} {_verb(negotiation, table)}: {_terms(negotiation, table)}")]


def _verb(negotiation: Negotiation, move: Move) -> str:
    if move.accepts:
        return "accepts"
    role = negotiation.roles.get(move.by)
    wants = {"buyer": "offers to buy", "seller": "offers to sell"}
    return wants.get(role.value, "offers") if role else "offers"


def _terms(negotiation: Negotiation, move: Move) -> str:
    kind = "" if move.accepts or move.firm else ", indicative"
    return f"{wording.deal(move, negotiation.chemical)} (round {move.round}{kind})"


def header(negotiation: Negotiation, now: int) -> list[Line]:
    """Return who negotiates over what, how far it has come, and how long it may last."""
    state = list(filter(None, [wording.phase(negotiation), wording.turn(negotiation)]))
    style = wording.PHASE_STYLES[negotiation.phase]
    lines: list[Line] = [
        line(Span(visible(negotiation.id), "title"), "  ", Span(", ".join(state), style)),
        [],
    ]
    width = max(cells(visible(party)) for party in negotiation.roles)
    for party, role in negotiation.roles.items():
        part = "began" if party == negotiation.initiator else ""
        if negotiation.phase.open and party == negotiation.turn:
            part = f"{part}, to answer" if part else "to answer"
        said = role.value if role else "role ?"
        address = Span(padded(visible(party), width), said if role else "")
        lines.append(line(f"  {said:<9}", address, f"  {part}"))
    lines.append(line(f"  {'chemical':<9}{visible(negotiation.chemical)}"))
    lines.append(line(f"  {'begun':<9}{_when(negotiation.created, now)}"))
    if negotiation.phase.open:
        lines.append(line(f"  {'expires':<9}{_when(negotiation.expires_at, now)}"))
    cap = negotiation.limits.max_rounds
    if cap is not None:
        lines.append(line(f"  {'rounds':<9}{negotiation.round} of at most {cap}"))
    return lines


def _when(at: int, now: int) -> str:
    return f"{wording.relative(at, now)} ({wording.clock(at)})"


def moves(negotiation: Negotiation, now: int) -> Table:
    """Return the offers and acceptances as a table, oldest first."""
    from nom_negotiate.core.terms import plain

    columns = (
        Column("ROUND", right=True),
        Column("BY"),
        Column("PRICE", right=True),
        Column("QUANTITY", right=True),
        Column("WHAT", fold=True),
        Column("WHEN", rank=1),
        Column("WHY", fold=True),
    )
    rows = [
        [
            Span(str(move.round)),
            Span(wording.name(negotiation, move.by), _role_style(negotiation, move.by)),
            Span(plain(move.price)),
            Span(plain(move.quantity)),
            Span(_kind(negotiation, move, now), "good" if move.accepts else ""),
            Span(wording.relative(move.at, now), "dim"),
            Span(visible(move.reason or "")),
        ]
        for move in negotiation.moves
    ]
    if not any(move.reason for move in negotiation.moves):
        return Table(columns[:-1], [row[:-1] for row in rows])
    return Table(columns, rows)


def _kind(negotiation: Negotiation, move: Move, now: int) -> str:
    if move.accepts:
        return "accepts"
    kind = "firm offer" if move.firm else "indicative offer"
    waits = negotiation.phase.open and move is negotiation.on_table
    if move.valid_until is None or not waits:
        return kind
    if move.lapsed(now):
        return f"{kind}, lapsed {wording.relative(move.valid_until, now)}"
    return f"{kind}, valid for {wording.span(move.valid_until - now)}"


def _role_style(negotiation: Negotiation, party: Address) -> str:
    role = negotiation.roles.get(party)
    return "" if role is None else role.value


def drawing(out: Output, negotiation: Negotiation) -> list[Line]:
    """Return the timeline, drawn for what stdout can take."""
    from nom_negotiate.cli import timeline

    glyphs = timeline.UNICODE if out.unicode else timeline.ASCII
    return timeline.draw(negotiation, out.width, glyphs)


def messages(negotiation: Negotiation, now: int) -> list[Line]:
    """Return what the parties said to each other. A line of a message never begins a line."""
    lines: list[Line] = [line(Span("Messages", "title"))]
    for spoken in negotiation.messages:
        who = Span(f"  {wording.name(negotiation, spoken.by)}", _role_style(negotiation, spoken.by))
        lines.append(line(who, Span(f"  {wording.relative(spoken.at, now)}", "dim")))
        lines += [line(Span("    | ", "dim"), visible(part)) for part in spoken.text.split("\n")]
    return lines


def ending(negotiation: Negotiation, now: int) -> list[Line]:
    """Return how it ended, and where the transactions are."""
    outcome = negotiation.outcome
    assert outcome is not None, "only what has ended has an ending"
    style = wording.PHASE_STYLES[negotiation.phase]
    lines: list[Line] = [
        line(
            Span("Outcome  ", "title"),
            Span(wording.outcome(outcome), style),
            Span(f"  {_when(outcome.at, now)}", "dim"),
        )
    ]
    for party, name in outcome.transactions.items():
        lines.append(line(f"  {wording.name(negotiation, party)}: transactions/{visible(name)}"))
    return lines
