"""What random parties say: mostly what can be said, and few different things."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.support import DAY, HOUR

PARTIES = ("alice@a.edu", "alice@b.edu", "bob@a.edu", "a+b@a.edu")
CHEMICALS = ("C", "N")

addresses = st.sampled_from(PARTIES)
roles = st.sampled_from(["buyer", "seller"])
deals = st.integers(0, 9)
"""Which of the negotiations so far: a number to count round with."""

# Mostly what can be said, and few different numbers, so that parties meet; some of them at the
# edge of what is exact. One in four may be what nobody should say.
prices = st.sampled_from(["5.5", "0.1", "123456789.012345"])
quantities = st.sampled_from(["3", "0.3", "99999999999999.9"])
any_prices = st.one_of(prices, prices, prices, st.sampled_from(["0", 5.5, "1e-20", "-1", "NaN"]))
any_quantities = st.one_of(quantities, quantities, st.sampled_from([1, "1e19", "0", "1e400"]))
firmness = st.sampled_from([True, True, False])
moments = st.one_of(st.none(), st.none(), st.integers(-10, 2 * HOUR))
durations = st.one_of(st.none(), st.none(), st.sampled_from([0, 60, HOUR, 3 * DAY]))
rounds = st.one_of(st.none(), st.none(), st.integers(1, 4))
revisions = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 4))
texts = st.sampled_from(["hello", " a\nb ", "\u20ac" * 10, "", "bell\x07"])
reasons = st.none() | texts
conditions = st.sampled_from([None, None, None, "FOB", "fob", "k\u00f6ln", "", " FOB", "a\nb"])
levels = st.sampled_from([0, 80, 100, 101])
# Who acts: the party whose turn it is, the other one, or anybody.
turns = st.sampled_from(["turn", "turn", "waiting", *PARTIES])
