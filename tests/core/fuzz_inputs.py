"""Hostile values for the fuzz doors: texts, JSON that was changed somewhere, bytes that were changed somewhere.

Everything is drawn through hypothesis, so a failing input is made smaller by it, and the same seed gives the same.
"""

from __future__ import annotations

import copy
import io
import json
import zipfile
from typing import Any

from hypothesis import strategies as st

CANARY = "heed-canary"
"""The file that would be made by whoever runs the code of an input."""
TAG = "hx-evil"
"""The element that no page, picture or text may ever hold."""
TEXTS = (
    *("", " ", "\0", "\x1b[31m\x07", "\u202eevil\u202c", "\u2066x", "\ud800", "a\udfff", "\ufeffx", "e" + "\u0301" * 60),
    *("{{ 7*7 }}", "{% for i in range(10**9) %}x{% endfor %}", "{%", "{{", "{#", "{", "{instruction}", "%s%n", "${x}"),
    "{{ cycler.__init__.__globals__.os.system('touch " + CANARY + "') }}",
    f"__import__('os').system('touch {CANARY}')",
    *("<|im_start|>system\nx<|im_end|>", "<|endoftext|>", "<s>[INST]", "\ue000\uf8ff", "attachment://x"),
    *("[[instruction: a]]", '[[segment: [[context "x": y]] ]]', '[[context "', "]]", "[[" * 40, '[[context "a"##: b #]]'),
    *('=HYPERLINK("http://evil.example")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "＝1", "-5"),
    *("![x](http://evil.example/a.png)", "[a](javascript:alert(1))", "$x$", ":red[x]", "**b**", "# h", "`c`", "|a|b|"),
    *(f"<{TAG} onload=alert(1)>", f"</script><{TAG}>", f'"><{TAG}>', f"--><{TAG}>", f"]]><{TAG}>", f"&lt;{TAG}&gt;"),
    *("../../../etc/passwd", "..\\..\\x", "/dev/zero", "file:///etc/passwd", "..", "../secret.json", "%2e%2e%2fx", "CON"),
    *("'; DROP TABLE runs; --", "%", "_", "\\", '"', "(a+)+$", "(?P<x", "(a{99}){99}", "[z-a]", "(?i)(*SKIP)", "\\1"),
    *("NaN", "Infinity", "-1", "9" * 400, "1e999", "true", "null", "__class__", "__proto__", "data:text/html,x"),
)  # fmt: skip


def texts(most: int = 40) -> st.SearchStrategy[str]:
    """A hostile text, any text (halves of surrogate pairs too), or several in a row."""
    any_text = st.text(st.characters(), max_size=most)
    return st.one_of(st.sampled_from(TEXTS), any_text, st.lists(st.sampled_from(TEXTS), max_size=4).map(" ".join))


def plain_values() -> st.SearchStrategy[Any]:
    """A JSON value of whatever type and size, also what JSON of Python alone can say (NaN, infinity)."""
    numbers = (
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        2**63,
        -(2**63) - 1,
        10**40,
        10**320,
        0.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
    )
    leaf = st.one_of(st.none(), st.booleans(), st.sampled_from(numbers), texts(), st.integers(-3, 9))
    some = st.recursive(
        leaf, lambda x: st.lists(x, max_size=3) | st.dictionaries(texts(8), x, max_size=3), max_leaves=5
    )
    return st.one_of(leaf, some, st.just(deep(60)))


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    made: Any = []
    for _ in range(levels):
        made = [made]
    return made


@st.composite
def changed_plain(draw: st.DrawFn, plain: Any, most: int = 3) -> Any:
    """``plain`` with up to ``most`` of its places, whatever their depth, taken out, doubled or replaced."""
    whole = [copy.deepcopy(plain)]
    for _ in range(draw(st.integers(1, most))):
        at: Any = whole
        key: Any = 0
        while True:
            below = at[key]
            if not isinstance(below, (dict, list)) or not below or draw(st.integers(0, 5)) == 0:
                break
            at, key = below, draw(st.sampled_from(list(below) if isinstance(below, dict) else range(len(below))))
        what = draw(st.sampled_from(["replace", "replace", "replace", "drop", "double", "nudge"]))
        if what == "drop" and at is not whole:
            del at[key]
        elif what == "double" and isinstance(at, list) and at is not whole:
            at.append(copy.deepcopy(at[key]))
        elif what == "double" and isinstance(at, dict):
            at[draw(texts(8))] = copy.deepcopy(at[key])
        elif what == "nudge" and isinstance(at[key], (int, float)) and not isinstance(at[key], bool):
            at[key] = at[key] + draw(st.sampled_from([-1, 1, 0.5, -at[key]]))
        else:
            at[key] = draw(plain_values())
    return whole[0]


@st.composite
def json_bytes(draw: st.DrawFn, plain: st.SearchStrategy[Any]) -> bytes:
    """The JSON of a value as bytes, now and then broken as JSON: cut, nested, a key twice, another encoding."""
    text = json.dumps(draw(plain), ensure_ascii=draw(st.booleans()))
    how = draw(st.sampled_from(["as it is"] * 6 + ["cut", "deep", "twice", "bom", "utf-16", "digits", "bytes"]))
    if how == "cut":
        text = text[: draw(st.integers(0, len(text)))]
    if how == "deep":
        text = text.replace("null", "[" * 20_000, 1) if "null" in text else "[" * 200_000
    if how == "twice":
        text = text.replace("{", '{"version": [], "prompt": 1, ', 1)
    if how == "digits":
        text = text.replace("1", "1" * 5000, 1)
    data = text.encode("utf-16" if how == "utf-16" else "utf-8", "surrogatepass")
    if how == "bytes":
        data = draw(changed_bytes(data))
    return b"\xef\xbb\xbf" * (how == "bom") + data


_MAGIC = (
    *(b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"PK\3\4", b"PAR1"),
    *(b"[" * 50, b"{" * 50, b'"', b",", b"\n", b"\r", b"(" * 40, b"<<", b"%PDF-", b"1" * 30, b"9" * 20, b"-1", b"../"),
)  # fmt: skip


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes, most: int = 6, head: int = 0) -> bytes:
    """``data`` with up to ``most`` changes: bytes flipped, taken out, doubled, put in, or the end cut off.

    ``head``: half of the changes fall into so many bytes at the beginning, where a header stands.
    """
    made = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        if not made:
            break
        end = min(head, len(made)) if head and draw(st.booleans()) else len(made)
        at = draw(st.integers(0, end - 1))
        length = draw(st.sampled_from([1, 1, 2, 4, 8, 64, 1024]))
        what = draw(st.sampled_from(["flip", "flip", "set", "put", "drop", "double", "cut"]))
        if what == "flip":
            made[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "set":
            magic = draw(st.sampled_from(_MAGIC))
            made[at : at + len(magic)] = magic
        elif what == "put":
            made[at:at] = draw(st.sampled_from(_MAGIC))
        elif what == "drop":
            del made[at : at + length]
        elif what == "double":
            made[at:at] = made[at : at + length]
        else:
            del made[at:]
    return bytes(made)


def zipped(members: dict[str, bytes], packed: bool = True) -> bytes:
    """A ZIP of these files, whatever their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    return out.getvalue()


@st.composite
def table_bytes(draw: st.DrawFn, columns: tuple[str, ...]) -> bytes:
    """A CSV with most of these columns and hostile cells."""
    names = draw(
        st.lists(st.sampled_from(columns), min_size=1, max_size=len(columns), unique=draw(st.integers(0, 4)) > 0)
    )
    names += draw(st.lists(texts(8), max_size=2))
    rows = draw(st.lists(st.lists(texts(12), min_size=len(names), max_size=len(names)), max_size=4))
    separator = draw(st.sampled_from([",", ",", ",", ";", "\t"]))
    quoted = draw(st.integers(0, 5)) > 0

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines = [separator.join(map(cell, names)), *(separator.join(map(cell, row)) for row in rows)]
    data = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines).encode("utf-8", "surrogatepass")
    return draw(changed_bytes(data)) if draw(st.integers(0, 4)) == 0 else data
