"""The header of a batch that was landed for a test: what it says matters to none."""

from __future__ import annotations

from vmeste import landing

HEADER = landing.BatchHeader(
    batch_id="",
    run_id="run",
    source="centre",
    form_id="f4_meeting",
    form_version="1",
    started_at="",
    landed_at="",
    server_count=1,
    cursor_from=None,
    cursor_to={},
    notes=(),
    refusals=(),
)
