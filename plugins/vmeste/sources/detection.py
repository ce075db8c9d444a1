"""In which encoding a text file was saved, with which delimiter, and whether both hold for the whole file."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence

from vmeste.sources.sheets import FileRefused

SAMPLE = 256 * 1024  # bytes or characters that a guess is made from
HEADER_WITHIN = 20  # rows
DELIMITERS = (",", ";", "\t")
SINGLE_BYTE = ("cp1251", "cp866", "koi8_r")  # what Russian exports are saved in, the commonest first
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

RESAVE = "Open the original in the program that it came from and export it again as UTF-8"

# Two neighbouring Russian letters of UTF-8; in CP1251 the same bytes are such as «Р°Р±», which nobody writes.
_UTF8_LETTERS = re.compile(rb"(?:\xd0[\x81\x90-\xbf]|\xd1[\x80-\x8f\x91]){2,}")
_HIGH_CP1251 = re.escape(bytes(range(0x80, 0xC0)).decode("cp1251", errors="ignore"))
_MOJIBAKE = re.compile(
    rf"(?:[РС][{_HIGH_CP1251}]){{3,}}"  # UTF-8 that was taken for CP1251: «РџСЂРёРІРµС‚»
    r"|[À-ÿ]{4,}"  # CP1251 that was taken for Latin-1: «Ïðèâåò»
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    A byte order mark decides; then UTF-8 if every byte fits; then a Russian single-byte encoding, CP1251 unless
    charset-normalizer finds it implausible and another one plausible.

    Raises:
        FileRefused: no encoding fits, the file mixes two, or it is not text.
    """
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if encoding is None:
        try:
            text, encoding = content.decode("utf-8"), "utf-8"
        except UnicodeDecodeError as error:
            _refuse_mixture(content, error.start)
            encoding = _single_byte_encoding(content)
            text = _decode_strictly(content, encoding)
    else:
        text = _decode_strictly(content, encoding)
    _refuse_binary(text)
    if encoding not in SINGLE_BYTE:
        _refuse_mojibake(text)
    return text, encoding


def _decode_strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8-sig":
            _refuse_mixture(content, error.start)
        line = content.count(b"\n", 0, error.start) + 1
        raise FileRefused(f"line {line} cannot be read as {encoding}, as which the file was saved. {RESAVE}") from None


def _refuse_mixture(content: bytes, foreign_at: int) -> None:
    """UTF-8 letters in a file that is not UTF-8: two exports were pasted together."""
    utf8 = _UTF8_LETTERS.search(content)
    if utf8 is not None or content.startswith(codecs.BOM_UTF8):
        as_utf8 = "the byte order mark" if utf8 is None else f"line {content.count(b'\n', 0, utf8.start()) + 1}"
        foreign = content.count(b"\n", 0, foreign_at) + 1
        raise FileRefused(
            f"the file mixes encodings: {as_utf8} is UTF-8, line {foreign} is not (CP1251, perhaps). Export each of "
            "the parts again as UTF-8, or give them as two files"
        )


def _single_byte_encoding(content: bytes) -> str:
    import charset_normalizer

    # only lines with other than ASCII letters tell anything
    telling = b"\n".join(line for line in content[:SAMPLE].split(b"\n") if not line.isascii())
    plausible = [
        match.encoding for match in charset_normalizer.from_bytes(telling or content, cp_isolation=list(SINGLE_BYTE))
    ]
    return next((name for name in SINGLE_BYTE if name in plausible), SINGLE_BYTE[0])


def _refuse_binary(text: str) -> None:
    sample = text[:SAMPLE]
    if len(_CONTROL.findall(sample)) * 100 > len(sample):
        raise FileRefused("it is not text. Export the answers as CSV (UTF-8), XLSX or JSON lines")


def _refuse_mojibake(text: str) -> None:
    if text.isascii():
        return
    found = _MOJIBAKE.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise FileRefused(
            f"the file mixes encodings: letters in line {line} were once read in a wrong encoding and saved so "
            f"(like «РџСЂРёРІРµС‚» for «Привет»). {RESAVE}"
        )


def delimiter_of(text: str, recognised: Callable[[Sequence[Sequence[str]]], int]) -> str:
    """Return the delimiter under which the first rows hold the most headers that the form knows.

    ``recognised`` counts those headers. Where there is none under any delimiter, the one that splits the rows into
    the most equal parts is returned.
    """
    return max(DELIMITERS, key=lambda delimiter: _evidence(text, delimiter, recognised))


def _evidence(text: str, delimiter: str, recognised: Callable[[Sequence[Sequence[str]]], int]) -> tuple[int, int]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text[:SAMPLE], newline=""), delimiter=delimiter, strict=True):
            rows.append(row)
            if len(rows) == HEADER_WITHIN:
                break
    except csv.Error:
        pass  # the wrong delimiter, the sample's end, or a fault that the full read will name
    widths = [len(row) for row in rows if len(row) > 1]
    return recognised(rows), max((widths.count(width) for width in set(widths)), default=0)
