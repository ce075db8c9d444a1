"""What a page may hold when it is shown: text and structure, nothing that runs or asks."""

from __future__ import annotations

import pytest

from vmeste.sites.harmless import harmless


def body(inner: str) -> str:
    return harmless(f"<html><head><title>t</title></head><body>{inner}</body></html>", "p {}").split("<body>")[1]


@pytest.mark.parametrize(
    ("hostile", "left"),
    [
        ("<script>alert(1)</script>after", "after"),
        ("<SCRIPT src=//x.example/y.js></SCRIPT>after", "after"),
        ("<img src=x onerror=alert(1)>after", "after"),
        ("<p onclick='alert(1)'>text</p>", "<p>text</p>"),
        ('<a href="javascript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="JaVaScRiPt&colon;alert(1)">x</a>', "<a>x</a>"),
        ('<a href="//x.example/">x</a>', "<a>x</a>"),
        ('<a href="https://x.example/">x</a>', "<a>x</a>"),
        ("<svg><script>alert(1)</script></svg>after", "after"),
        ("<iframe srcdoc='<script>alert(1)</script>'></iframe>after", "after"),
        ("<style>@import 'https://x.example'</style>after", "after"),
        ("<link rel=stylesheet href=https://x.example>after", "after"),
        ("<p style='background:url(https://x.example)'>x</p>", "<p>x</p>"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>after", "after"),
        ('<td class="a" id="b">1</td>', '<td class="a" id="b">1</td>'),
        ('<a href="../f4_meeting.html#section-1">x</a>', '<a href="../f4_meeting.html#section-1">x</a>'),
    ],
)
def test_what_runs_or_asks_goes_and_the_rest_stays(hostile: str, left: str) -> None:
    assert body(hostile).removesuffix("</body></html>") == left


def test_the_style_is_ours_alone() -> None:
    page = harmless("<html><head><style>theirs</style></head><body></body></html>", "ours {}")
    assert "ours {}" in page
    assert "theirs" not in page
