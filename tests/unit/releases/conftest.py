"""The made-up candidate and its release, for every test of this folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.unit.releases.synthetic import made_up_candidate
from vmeste.releases.candidate import Candidate
from vmeste.releases.publish import Approval, Release


@pytest.fixture
def candidate() -> Candidate:
    """Return the made-up candidate of 2031-Q4."""
    return made_up_candidate()


@pytest.fixture
def release(candidate: Candidate) -> Release:
    """Return the release that the made-up candidate would become."""
    return Release(
        release_id="2031-Q4-r1",
        quarter="2031-Q4",
        revision=1,
        state="released",
        cutoff_at=candidate.cutoff_at,
        prepared_by="demo-engineer",
        definition_version=candidate.definition_version,
        code_revision="0123456789abcdef0123456789abcdef01234567",
        suppression_version="leadership-3",
        checksum="5e" * 32,
        approvals=(
            Approval("method", "demo-method", datetime(2032, 1, 16, 9, 0, tzinfo=UTC)),
            Approval("director", "demo-director", datetime(2032, 1, 17, 9, 0, tzinfo=UTC)),
        ),
        released_at=datetime(2032, 1, 17, 9, 0, tzinfo=UTC),
    )


@pytest.fixture
def draft(release: Release) -> Release:
    """Return the same before its approvals."""
    return replace(release, state="draft", approvals=(), released_at=None)
