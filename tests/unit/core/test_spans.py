"""How spans are cut: whole, without overlap, and as coarse as can be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.spans import ALWAYS, DAY, FIVE_MINUTES, GRAINS, HOUR, MINUTE, Mark, Piece, cut

ALL = [Mark(MINUTE, 0, ALWAYS), Mark(FIVE_MINUTES, 0, ALWAYS), Mark(HOUR, 0, ALWAYS), Mark(DAY, 0, ALWAYS)]


@pytest.mark.parametrize(
    ("start", "end", "marks", "pieces"),
    [
        (0, 0, ALL, []),
        (5, 3, ALL, []),
        (0, DAY, ALL, [Piece(DAY, 0, DAY)]),
        (0, DAY + HOUR, ALL, [Piece(DAY, 0, DAY), Piece(HOUR, DAY, DAY + HOUR)]),
        (10.5, 59.5, ALL, [Piece(0, 10.5, 59.5)]),
        (10.5, 185, ALL, [Piece(0, 10.5, 60), Piece(MINUTE, 60, 180), Piece(0, 180, 185)]),
        (
            HOUR - 360.5, HOUR + 301, ALL,
            [
                Piece(0, HOUR - 360.5, HOUR - 360), Piece(MINUTE, HOUR - 360, HOUR - 300),
                Piece(FIVE_MINUTES, HOUR - 300, HOUR + 300), Piece(0, HOUR + 300, HOUR + 301),
            ],
        ),
        # Nothing is kept: all of it request by request.
        (7, 8000, [], [Piece(0, 7, 8000)]),
        # Minutes are not kept so far back, five minutes not made so far.
        (
            0, 1200, [Mark(MINUTE, 600, ALWAYS), Mark(FIVE_MINUTES, 0, 900)],
            [Piece(FIVE_MINUTES, 0, 900), Piece(MINUTE, 900, 1200)],
        ),
        (
            100, 1200, [Mark(MINUTE, 600, ALWAYS), Mark(FIVE_MINUTES, 300, 300)],
            [Piece(0, 100, 600), Piece(MINUTE, 600, 1200)],
        ),
    ],
)  # fmt: skip
def test_cases(start, end, marks, pieces):
    assert cut(start, end, marks) == pieces


@st.composite
def marks(draw) -> list[Mark]:
    moment = st.integers(0, 5 * DAY)
    coarser = [Mark(grain, draw(moment) // grain * grain, draw(moment) // grain * grain) for grain in GRAINS[1:]]
    return [Mark(MINUTE, draw(moment) // MINUTE * MINUTE, ALWAYS), *coarser]


@given(st.floats(0, 6 * DAY), st.floats(0, 6 * DAY), marks())
def test_pieces_are_the_whole_span_and_keep_to_the_marks(start, end, kept):
    pieces = cut(start, end, kept)
    if start >= end:
        assert pieces == []
        return
    assert (pieces[0].start, pieces[-1].end) == (start, end)
    assert all(one.end == other.start for one, other in pairwise(pieces))
    by_grain = {mark.grain_s: mark for mark in kept}
    for piece in pieces:
        assert piece.start < piece.end
        if piece.grain_s:
            mark = by_grain[piece.grain_s]
            assert piece.start % piece.grain_s == piece.end % piece.grain_s == 0
            assert mark.since <= piece.start
            assert piece.end <= mark.until
