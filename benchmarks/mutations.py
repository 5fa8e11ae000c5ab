"""Mutates bytes, text, JSON, tables, tar files and command lines, at random from a seed."""

import copy
import json
import random
import re
from typing import Any

import numpy as np
import pandas as pd

# Scalars that YAML, JSON, the shell or a type check may trip over.
SCALARS = (
    "", "null", "~", "-1", "0", "1", "2", "1e400", ".nan", ".inf", "-.inf", "1e-320", "2026-01-01", "2026-13-45",
    "12:30:45", "1_000", "0x7fffffffffffffff", "0o17", "true", "yes", "no", "[]", "{}", "[[]]", "[null]", "{a: 1}",
    "[1, 2]", "{1: 2}", "&a [*a]", "*a", "&a {b: *a}", "<<: *a", "!!binary aGVsbG8=", "!!binary x", "!!set {a}",
    "!!omap [a: 1]", "!!pairs [a: 1]", "!!timestamp 2026-13-45", "!!int x", "!!float x", "!!bool x", "!!null x",
    "!!python/object:os.system x", "!!str [1]", "!!map x", "!unknown x", "'a\\0b'", '"a\\0b"', '"\\ud800"', "9" * 400,
    "9" * 5000, "x" * 5000, "|", ">", "\t", "? a", "- a", "%YAML 9.9", "---", "...", "\u202e", "\U0001f600", "folder:",
    "folder:.", "folder:..", "folder:/dev/null", "folder:/dev", "folder:x\ny", "mnist", "tf_data", "nobody", "=", "<<",
    "synthetic", "py_dataset", "grpc://", "memory", "batch", "none", "32", "0.05", "4294967296", "-0.0", "1e3",
    "[32, 32]",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**400, 0.5, float("nan"), float("inf"), "", "x", "\0", "x" * 3000, "<b>",
    "\ud800", [], {}, [[]], [None], {"": None}, {"a": {"b": []}}, "supported",
    "2026-01-01T00:00:00+00:00", 1e308, [1, "x"],
)  # fmt: skip


def of_bytes(chance: random.Random, content: bytes) -> bytes:
    """Returns content with some bits flipped, bytes replaced, taken out, put in or doubled."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(changed) + 1)
        span = chance.choice((1, 2, 4, 16, 100, 1000))
        kind = chance.randrange(6)
        if kind <= 1 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[at : at + span] = chance.randbytes(span)
        elif kind == 3:
            del changed[at : at + span]
        elif kind == 4:
            changed[at:at] = changed[at : at + span] * chance.choice((1, 2, 50))
        elif kind == 5:
            changed[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
    return bytes(changed) if chance.random() > 0.05 else bytes(changed[: chance.randrange(len(changed) + 1)])


def of_text(chance: random.Random, text: str) -> bytes:
    """Returns text, of YAML's form, with values, keys, lines or characters changed; as bytes, damaged ones at times."""
    lines = text.splitlines()
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(lines))
        scalar = chance.choice(SCALARS)
        kind = chance.randrange(9)
        if kind <= 3 and ":" in lines[at]:
            lines[at] = f"{lines[at].partition(':')[0]}: {scalar}"
        elif kind == 4:
            lines[at] = re.sub(r"[^\s:-][^:]*(?=:)", lambda _, new=scalar: new, lines[at], count=1)
        elif kind == 5:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif kind == 6:
            lines[at] = " " * chance.randrange(9) + lines[at].strip()
        elif kind == 7:
            del lines[at]
            lines = lines or [""]
        else:
            words = lines[at].split(" ")
            words[chance.randrange(len(words))] = scalar
            lines[at] = " ".join(words)
    content = "\n".join(lines).encode(errors="surrogatepass")
    return of_bytes(chance, content) if chance.random() < 0.2 else content


def of_json(chance: random.Random, content: Any) -> bytes:
    """Returns JSON with a value or key changed somewhere within; damaged bytes at times."""
    content = json.loads(json.dumps(content))
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = _changed(chance, content)
    text = json.dumps(content).encode()
    if chance.random() < 0.02:
        return b"[" * 100_000
    return of_bytes(chance, text) if chance.random() < 0.2 else text


def _changed(chance, node):
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    if not keys or chance.random() < 0.15:
        return copy.deepcopy(chance.choice(VALUES))
    key = chance.choice(keys)
    if isinstance(node, dict) and chance.random() < 0.15:
        node[str(chance.choice(VALUES))[:50]] = node.pop(key)
    elif chance.random() < 0.1:
        del node[key]
    else:
        node[key] = _changed(chance, node[key])
    return node


def of_table(chance: random.Random, table: pd.DataFrame) -> pd.DataFrame:
    """Returns a table with values, columns or rows changed to what is no result."""
    table = table.copy()
    for _ in range(chance.choice((1, 1, 2, 4))):
        column = chance.choice(list(table))
        kind = chance.randrange(8)
        if kind <= 2 and len(table):
            value = chance.choice(VALUES)
            value = 2**62 if isinstance(value, int) and abs(value) > 2**62 else "x" if value == "\ud800" else value
            values = table[column].astype(object).to_numpy().copy()
            rows = range(len(values)) if chance.random() < 0.5 else [chance.randrange(len(values))]
            for row in rows:
                values[row] = value
            table[column] = pd.Series(list(values), index=table.index, dtype=object)
        elif kind == 3:
            table = table.drop(columns=column)
        elif kind == 4:
            table = table.iloc[: chance.randrange(3)]
        elif kind == 5:
            table = pd.concat([table, table], ignore_index=True)
        elif kind == 6:
            table[column] = table[chance.choice(list(table))]
        elif pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column] * chance.choice((0, -1, 1e300, np.nan, 1e-300))
        if table.empty or not len(table.columns):
            break
    return table


def of_tar(chance: random.Random, content: bytes) -> bytes:
    """Returns a tar file with a header changed, most often so that the header's checksum holds."""
    changed = bytearray(content)
    headers = [at for at in range(0, len(changed), 512) if changed[at + 257 : at + 262] == b"ustar"]
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.choice(headers)
        begin, length = chance.choice(
            ((0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
        )
        new = chance.choice(
            (b"../../x.jpg", b"/x/y.jpg", b"a\\b.jpg", b"cat", b"\0", b"\xff" * length, b"7" * length, b"-1", b"\x80",
             b"cat/../../y.jpg", b"C:/x.jpg", b"x" * length, b"L", b"x", b"g", b"S", b"1", b"2", b"6", b"K",
             b"99999999999", chance.randbytes(length))
        )  # fmt: skip
        changed[at + begin : at + begin + length] = new[:length].ljust(length, b"\0")
        if chance.random() < 0.9:
            changed[at + 148 : at + 156] = b" " * 8
            changed[at + 148 : at + 156] = b"%06o\0 " % sum(changed[at : at + 512])
    return bytes(changed) if chance.random() < 0.8 else of_bytes(chance, bytes(changed))


def of_words(chance: random.Random, words: list[str]) -> list[str]:
    """Returns a command line with words changed, doubled, taken out, put in or cut."""
    words = list(words)
    for _ in range(chance.choice((1, 2, 3))):
        at = chance.randrange(len(words) + 1)
        kind = chance.randrange(6)
        if kind <= 1:
            words.insert(at, chance.choice(SCALARS))
        elif not words or at == len(words):
            continue
        elif kind == 2:
            words[at] = chance.choice(SCALARS)
        elif kind == 3:
            del words[at]
        elif kind == 4:
            words.insert(at, chance.choice(words))
        else:
            words[at] = of_bytes(chance, words[at].encode(errors="surrogatepass")).decode(errors="surrogateescape")
    return words
