"""What goes on failing: told when it begins, once a day while it lasts, and when it is over."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

AGAIN = timedelta(days=1)
"""So long a trouble that was told of may last until it is told of again."""

Telling = Literal["failed", "recovered", ""]


def note(settings: Settings, places: Collection[str], now: datetime) -> Telling:
    """Keep what fails now, and return what is to be told of it.

    Args:
        settings: names the warehouse.
        places: what fails, by names that hold nothing a person wrote; none if everything works.
        now: an aware moment: when the run began.

    Returns:
        ``failed`` if something fails that worked before, or if it was last told of a day ago; ``recovered`` if
        everything works again; '' if there is no news.
    """
    with connect(settings, "vmeste_loader") as connection:
        # two runs at once must not both tell
        connection.execute("lock table ops.troubles in share row exclusive mode")
        known = dict(connection.execute("select place, told_at from ops.troubles").fetchall())
        connection.execute("delete from ops.troubles where not place = any(%s)", (list(places),))
        if not places:
            return "recovered" if known else ""
        # an hour that begins a little early is still a day later
        is_news = bool(set(places) - known.keys()) or (
            now - min(known[place] for place in places) >= AGAIN - timedelta(minutes=5)
        )
        for place in sorted(places):
            connection.execute(
                "insert into ops.troubles (place, began_at, told_at) values (%s, %s, %s) on conflict (place) do update "
                "set told_at = case when %s then excluded.told_at else troubles.told_at end",
                (place, now, now, is_news),
            )
    return "failed" if is_news else ""
