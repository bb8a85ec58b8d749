"""One negotiation, or many, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nom_negotiate.cli import shapes, wording
from nom_negotiate.cli.names import Names
from nom_negotiate.cli.output import Column, Line, Output, Span, Table, cells, line, padded, visible

# The help of a command that shows a negotiation imports no record.
if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Move, Negotiation, Spoken
    from nom_negotiate.core.preferences import Autopilot
    from nom_negotiate.core.terms import Terms
    from nom_negotiate.desk import Desk

    Autopilots = Mapping[str, Autopilot]


def say_negotiation(out: Output, negotiation: Negotiation, viewer: Address | None = None) -> None:
    """Print what an action left behind: as JSON, or in two lines."""
    if out.as_json:
        out.json(shapes.of_negotiation(negotiation, viewer, out.names))
        return
    out.lines(summary(negotiation, out.names))


def own_autopilots(
    desk: Desk, viewer: Address | None, found: Sequence[Negotiation]
) -> Autopilots | None:
    """Return which of the viewer's own autopilots are on, None where nobody in particular looks."""
    if viewer is None:
        return None
    if not any(each.phase.open for each in found):
        return {}
    from nom_negotiate.preferences import autopilots

    return autopilots(desk.party(viewer))


def show_negotiation(
    out: Output,
    negotiation: Negotiation,
    now: int,
    viewer: Address | None = None,
    on: Autopilots | None = None,
) -> None:
    """Print all there is to a negotiation: as JSON, or with tables and a drawing."""
    if out.as_json:
        out.json(_shape(negotiation, viewer, out.names, on))
        return
    out.lines(header(negotiation, now, out.names))
    may = (on or {}).get(negotiation.id)
    if may is not None:
        out.lines([line(f"  {'autopilot':<10}{_flying(may)}")])
    if negotiation.moves:
        out.lines([[]])
        out.table(moves(negotiation, now))
        out.lines([[], *drawing(out, negotiation)])
    if negotiation.reactions:
        out.lines([[], *reactions(negotiation, now)])
    if negotiation.messages:
        title = line(Span("Messages", "title"))
        out.lines([[], title, *messages(negotiation, negotiation.messages, now, viewer)])
    if negotiation.outcome is not None:
        out.lines([[], *ending(negotiation, now, out.names)])


def _shape(
    negotiation: Negotiation, viewer: Address | None, names: Names, on: Autopilots | None
) -> dict[str, Any]:
    shape = shapes.of_negotiation(negotiation, viewer, names)
    if on is not None:
        may = on.get(negotiation.id)
        shape["autopilot"] = (
            None if may is None else {"max_rounds": may.max_rounds, "auto_accept": may.auto_accept}
        )
    return shape


def _flying(may: Autopilot) -> str:
    more = ", takes what is near the target" if may.auto_accept else ""
    return f"on, up to round {may.max_rounds}{more}"


def list_negotiations(
    out: Output,
    found: Iterable[Negotiation],
    now: int,
    viewer: Address | None = None,
    on: Autopilots | None = None,
) -> None:
    """Print negotiations: as JSON, or as a table. Nothing where there are none."""
    if out.as_json:
        names = out.names
        out.json([_shape(negotiation, viewer, names, on) for negotiation in found])
        return
    listed = list(found)
    columns, rows = _LISTED, [_listed(negotiation, now, out.names) for negotiation in listed]
    unread = [0 if viewer is None else each.unread(viewer) for each in listed]
    if any(unread):
        columns = (*columns, Column("UNREAD", right=True))
        rows = [
            [*row, Span(str(count) if count else "", "warn")]
            for row, count in zip(rows, unread, strict=True)
        ]
    flying = [(on or {}).get(each.id) for each in listed]
    if any(flying):
        columns = (*columns, Column("AUTOPILOT"))
        rows = [
            [*row, Span("" if may is None else f"to round {may.max_rounds}")]
            for row, may in zip(rows, flying, strict=True)
        ]
    if rows:
        out.table(Table(columns, rows))


_LISTED: tuple[Column, ...] = (
    Column("ID"),
    Column("BUYER", rank=2),
    Column("SELLER", rank=2),
    Column("PHASE"),
    Column("TURN"),
    Column("ON THE TABLE", fold=True),
    Column("EXPIRES", rank=1),
)


def _listed(negotiation: Negotiation, now: int, names: Names) -> list[Span]:
    table = negotiation.on_table
    whose = wording.name(negotiation, negotiation.turn) if negotiation.turn else "-"
    left = wording.relative(negotiation.expires_at, now) if negotiation.phase.open else "-"
    return [
        Span(visible(negotiation.id), "title"),
        Span(_address(negotiation.buyer, names), "buyer"),
        Span(_address(negotiation.seller, names), "seller"),
        Span(negotiation.phase.value, wording.PHASE_STYLES[negotiation.phase]),
        Span(whose),
        Span("-" if table is None else wording.deal(table, negotiation.chemical)),
        Span(left),
    ]


def _address(party: Address | None, names: Names) -> str:
    return "?" if party is None else names.beside(party, visible(party))


def summary(negotiation: Negotiation, names: Names | None = None) -> list[Line]:
    """Return what it is and how far it has come, and what is on the table, in two lines.

    And in one for each of the terms in words.
    """
    state = [wording.phase(negotiation), wording.turn(negotiation)]
    first = line(
        Span(visible(negotiation.id), "title"),
        "  ",
        Span(", ".join(filter(None, state)), wording.PHASE_STYLES[negotiation.phase]),
    )
    table = negotiation.on_table
    if table is None:
        return [first]
    who = (names or Names()).beside(table.by, wording.name(negotiation, table.by))
    said = line(f"  {who} {_verb(negotiation, table)}: {_terms(negotiation, table)}")
    return [first, said, *_conditions(table.terms)]


def _conditions(terms: Terms) -> list[Line]:
    return [line(f"    {name}: {text}") for name, text in wording.conditions(terms)]


def _verb(negotiation: Negotiation, move: Move) -> str:
    if move.accepts:
        return "accepts"
    role = negotiation.roles.get(move.by)
    wants = {"buyer": "offers to buy", "seller": "offers to sell"}
    return wants.get(role.value, "offers") if role else "offers"


def _terms(negotiation: Negotiation, move: Move) -> str:
    kind = "" if move.accepts or move.firm else ", indicative"
    return f"{wording.deal(move, negotiation.chemical)} (round {move.round}{kind})"


def header(negotiation: Negotiation, now: int, names: Names) -> list[Line]:
    """Return who negotiates over what, how far it has come, and how long it may last."""
    state = list(filter(None, [wording.phase(negotiation), wording.turn(negotiation)]))
    style = wording.PHASE_STYLES[negotiation.phase]
    lines: list[Line] = [
        line(Span(visible(negotiation.id), "title"), "  ", Span(", ".join(state), style)),
        [],
    ]
    width = max(cells(_address(party, names)) for party in negotiation.roles)
    for party, role in negotiation.roles.items():
        part = _part(negotiation, party)
        if negotiation.phase.open and party == negotiation.turn:
            part = f"{part}, to answer" if part else "to answer"
        said = role.value if role else "role ?"
        address = Span(padded(_address(party, names), width), said if role else "")
        lines.append(line(f"  {said:<9}", address, f"  {part}"))
    lines.append(line(f"  {'chemical':<9}{visible(negotiation.chemical)}"))
    if negotiation.listing is not None:
        lines.append(line(f"  {'listing':<9}{visible(negotiation.listing)}"))
    lines.append(line(f"  {'begun':<9}{_when(negotiation.created, now)}"))
    if negotiation.phase.open:
        lines.append(line(f"  {'expires':<9}{_when(negotiation.expires_at, now)}"))
    cap = negotiation.limits.max_rounds
    if cap is not None:
        lines.append(line(f"  {'rounds':<9}{negotiation.round} of at most {cap}"))
    return lines


def _part(negotiation: Negotiation, party: Address) -> str:
    first = party == negotiation.initiator
    if negotiation.listing is not None:
        return "posted the listing" if first else "answered it"
    return "began" if first else ""


def _when(at: int, now: int) -> str:
    return f"{wording.relative(at, now)} ({wording.clock(at)})"


def moves(negotiation: Negotiation, now: int) -> Table:
    """Return the offers and acceptances as a table, oldest first."""
    from nom_negotiate.core.terms import CONDITIONS, plain

    columns = (
        Column("ROUND", right=True),
        Column("BY"),
        Column("PRICE", right=True),
        Column("QUANTITY", right=True),
        Column("WHAT", fold=True),
        Column("WHEN", rank=1),
        Column("WHY", fold=True),
        *(Column(name.upper(), fold=True) for name in CONDITIONS),
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
            *(Span(visible(move.terms.conditions.get(name, ""))) for name in CONDITIONS),
        ]
        for move in negotiation.moves
    ]
    # What nobody has said anything of takes no room.
    optional = range(columns.index(Column("WHY", fold=True)), len(columns))
    kept = [
        number
        for number in range(len(columns))
        if number not in optional or any(row[number].text for row in rows)
    ]
    return Table(
        [columns[number] for number in kept], [[row[number] for number in kept] for row in rows]
    )


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
    return timeline.draw(negotiation, out.width, glyphs, out.names)


def reactions(negotiation: Negotiation, now: int) -> list[Line]:
    """Return how each party likes what it was offered."""
    lines: list[Line] = [line(Span("Reactions", "title"))]
    for party, reaction in negotiation.reactions.items():
        who = Span(f"  {wording.name(negotiation, party)}", _role_style(negotiation, party))
        about = "" if reaction.round is None else f" to round {reaction.round}"
        when = Span(f"  {wording.relative(reaction.timestamp, now)}", "dim")
        lines.append(line(who, f"  {reaction.level} of 100{about}", when))
    return lines


def messages(
    negotiation: Negotiation, said: Iterable[Spoken], now: int, viewer: Address | None = None
) -> list[Line]:
    """Return what the parties said to each other. A line of a message never begins a line.

    Args:
        negotiation: in which it was said.
        said: which of its messages.
        now: unix seconds.
        viewer: to whom is told which of them are unread, and which of its own were read.
    """
    lines: list[Line] = []
    for spoken in said:
        who = Span(f"  {wording.name(negotiation, spoken.by)}", _role_style(negotiation, spoken.by))
        when = Span(f"  {wording.relative(spoken.at, now)}", "dim")
        lines.append(line(who, when, _reading(negotiation, spoken, viewer)))
        lines += [line(Span("    | ", "dim"), visible(part)) for part in spoken.text.split("\n")]
    return lines


def _reading(negotiation: Negotiation, spoken: Spoken, viewer: Address | None) -> Span:
    if viewer == spoken.by:
        return Span("  read" if spoken.read else "", "dim")
    unread = viewer is not None and negotiation.phase.open and not spoken.read
    return Span("  unread" if unread else "", "warn")


def ending(negotiation: Negotiation, now: int, names: Names) -> list[Line]:
    """Return how it ended, and where the transactions are."""
    outcome = negotiation.outcome
    assert outcome is not None, "only what has ended has an ending"
    style = wording.PHASE_STYLES[negotiation.phase]
    lines: list[Line] = [
        line(
            Span("Outcome  ", "title"),
            Span(wording.outcome(outcome, names), style),
            Span(f"  {_when(outcome.at, now)}", "dim"),
        )
    ]
    if outcome.deal is not None:
        lines += _conditions(outcome.deal.terms)
    for party, name in outcome.transactions.items():
        lines.append(line(f"  {wording.name(negotiation, party)}: transactions/{visible(name)}"))
    return lines
