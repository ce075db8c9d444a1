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

# Letters and signs of CP1251 that no Russian text has. A code such as П-1 has a single letter, so one of these after
# Р or С must do as evidence that UTF-8 was taken for CP1251.
_FOREIGN = "ЂЃѓ†‡‰ЉЊЌЋЏђљњќћџЈјЅѕ"
_HIGH = bytes(range(0x80, 0xC0)).decode("cp1251", errors="ignore")
# Both patterns begin with one class of characters, which is searched for ten times as fast as an alternative.
_UTF8_IN_CP1251 = re.compile(
    rb"[\xd0\xd1](?:"
    rb"[" + re.escape(_FOREIGN.encode("cp1251")) + rb"]"
    rb"|(?:(?<=\xd0)[\x81\x90-\xbf]|(?<=\xd1)[\x80-\x8f\x91])(?:\xd0[\x81\x90-\xbf]|\xd1[\x80-\x8f\x91])"
    rb")"
)
_MOJIBAKE = re.compile(
    r"[РСÀ-ÿ](?:"
    rf"(?<=[РС])[{_FOREIGN}]"  # «Рџ-1» for «П-1»
    r"|(?<=[РС])(?<!\w[РС])’"  # «Р’-1» for «В-1»
    rf"|(?<=[РС])[{re.escape(_HIGH)}](?:[РС][{re.escape(_HIGH)}]){{2}}"  # «Р°Р±РІ» for «абв»
    r"|(?<=[À-ÿ])[À-ÿ]{3}"  # CP1251 that was taken for Latin-1: «Ïðèâåò»
    r")"
)
_RUSSIAN = re.compile(r"[А-Яа-яЁё]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    A byte order mark decides; then UTF-8 if every byte fits; then a Russian single-byte encoding, CP1251 unless
    charset-normalizer finds it implausible and another one plausible.

    Raises:
        FileRefused: no encoding fits, the file mixes two, or it is not text.
    """
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if encoding is None:
        _refuse_binary(content)
        try:
            text, encoding = content.decode("utf-8"), "utf-8"
        except UnicodeDecodeError as error:
            _refuse_mixture(content, error.start)
            encoding = _single_byte_encoding(content)
            text = _decode_strictly(content, encoding)
    else:
        text = _decode_strictly(content, encoding)
    if encoding not in SINGLE_BYTE:
        _refuse_mojibake(text)
    return text, encoding


def _decode_strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        position = error.start + len(content) - len(error.object)  # the error does not count the byte order mark
        if encoding == "utf-8-sig":
            _refuse_mixture(content, position)
        line = _line(content, position)
        raise FileRefused(f"line {line} cannot be read as {encoding}, as which the file was saved. {RESAVE}") from None


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _refuse_mixture(content: bytes, foreign_at: int) -> None:
    """UTF-8 letters in a file that is not UTF-8: two exports were pasted together."""
    line = _utf8_line(content)
    if line is not None or content.startswith(codecs.BOM_UTF8):
        as_utf8 = f"line {line}" if line is not None else "the byte order mark"
        raise FileRefused(
            f"the file mixes encodings: {as_utf8} is UTF-8, line {_line(content, foreign_at)} is not (CP1251, "
            "perhaps). Export each of the parts again as UTF-8, or give them as two files"
        )


def _utf8_line(content: bytes) -> int | None:
    """Return the first line with Russian letters in UTF-8, as a whole or beside letters in another encoding."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.isascii():
            continue
        try:
            is_utf8 = _RUSSIAN.search(line.decode("utf-8")) is not None
        except UnicodeDecodeError:
            is_utf8 = _UTF8_IN_CP1251.search(line) is not None
        if is_utf8:
            return number
    return None


def _single_byte_encoding(content: bytes) -> str:
    import charset_normalizer

    # only lines with other than ASCII letters tell anything
    telling = b"\n".join(line for line in content[:SAMPLE].split(b"\n") if not line.isascii())
    plausible = [
        match.encoding for match in charset_normalizer.from_bytes(telling or content, cp_isolation=list(SINGLE_BYTE))
    ]
    return next((name for name in SINGLE_BYTE if name in plausible), SINGLE_BYTE[0])


def _refuse_binary(content: bytes) -> None:
    sample = content[:SAMPLE]
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
