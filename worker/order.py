"""In which order lanes are asked for a batch."""

from __future__ import annotations

from collections.abc import Sequence

from cmqueue.lane import Lane


def claim_order(lanes: Sequence[Lane], draw: float) -> list[Lane]:
    """`lanes`, those without a share first, then the others, one drawn to go ahead by its weight.

    `draw` is from [0, 1). Over many claims each lane with a backlog gets its share, whatever the others hold.
    """
    first = [lane for lane in Lane if lane in lanes and lane.rules.share is None]
    rest = [lane for lane in Lane if lane in lanes and lane.rules.share is not None]
    point = draw * sum(lane.rules.share or 0 for lane in rest)
    for lane in rest:
        point -= lane.rules.share or 0
        if point < 0:
            return [*first, lane, *(other for other in rest if other is not lane)]
    return [*first, *rest]
