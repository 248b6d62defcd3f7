"""What the module's bytes are: its sections, and its code by room (of ours) or crate (of others), from the names of its functions.

    RUSTFLAGS="-C target-feature=+simd128 -C symbol-mangling-version=v0" \\
        cargo build --release --lib --target wasm32-wasip1 --target-dir target/size
    .venv/bin/python benches/size.py target/size/wasm32-wasip1/release/tollgate.wasm [OTHER]

The code is that of `make module`; only names of this form say for which type of ours a function of a library was made. With OTHER, an
earlier module, it shows what has grown.
"""

import collections
import pathlib
import re
import sys

MODULE = pathlib.Path(__file__).resolve().parent.parent / "target/wasm32-wasip1/release/tollgate.wasm"
SECTIONS = ["custom", "types", "imports", "functions", "tables", "memories", "globals", "exports", "start", "elements", "code", "data", "data count"]
CODE, IMPORTS, FUNCTION_NAMES = 10, 2, 1


class Reader:
    """A piece of a module, read from its beginning."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def __bool__(self):
        return self.at < len(self.data)

    def number(self):
        """LEB128."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self):
        return self.take(self.number()).decode()


def sections(path):
    """(kind, name, bytes) of each section."""
    module = Reader(path.read_bytes())
    assert module.take(8) == b"\0asm\1\0\0\0", f"{path} is no module"
    while module:
        kind, body = module.number(), Reader(module.take(module.number()))
        name = body.text() if kind == 0 else SECTIONS[kind]
        yield kind, name, body.data[body.at :]


def imported_functions(body):
    """How many functions come from the host: they are numbered first."""
    count = 0
    for _ in range(body.number()):
        body.text(), body.text()
        kind = body.take(1)[0]
        assert kind in (0, 2), "the host gives functions and memory"
        count += kind == 0
        if kind == 0:
            body.number()
        else:
            has_maximum = body.number() & 1
            [body.number() for _ in range(1 + has_maximum)]
    return count


def function_names(body):
    while body:
        kind, names = body.number(), Reader(body.take(body.number()))
        if kind == FUNCTION_NAMES:
            return dict((names.number(), names.text()) for _ in range(names.number()))
    return {}


def words(mangled):
    """The identifiers from here on, each behind its length."""
    while match := re.match(r"(\d+)_?", mangled):
        end = match.end() + int(match[1])
        yield mangled[match.end() : end]
        mangled = mangled[end:]


def owner(name):
    """The first room of ours that a mangled name says: what is generic over a type of ours was made for it. Else a crate."""
    if ours := re.search(r"8tollgate(?=\d)|tollgate\.\.", name):
        rest = name[ours.end() :]
        room, part, *_ = [*(words(rest) if rest[0].isdigit() else rest.split("..")), "", ""]
        return f"{room}::{part}" if room in ("client", "provider") and re.fullmatch(r"[a-z_]+", part) else room
    if crate := re.search(r"C(?:s[0-9A-Za-z]*_)(?=\d)|_ZN(?=\d)", name):
        word = next(words(name[crate.end() :]))
        inside = re.search(r"(\w+)\.\.", word.replace("$LT$", "<").replace("$u20$", " "))
        return f"({inside[1] if inside else word})"
    return "(libc, start)"


def sizes(path):
    """Bytes by what they are."""
    found, parts = collections.Counter(), {name: (kind, data) for kind, name, data in sections(path)}
    names = function_names(Reader(parts["name"][1])) if "name" in parts else {}
    first = imported_functions(Reader(parts["imports"][1]))
    for name, (kind, data) in parts.items():
        if kind != CODE:
            found[f"[{name}]"] = len(data)
            continue
        body = Reader(data)
        for number in range(first, first + body.number()):
            size = body.number()
            body.take(size)
            found[owner(names.get(number, ""))] += size
    return found


def main(paths):
    now = sizes(pathlib.Path(paths[0]) if paths else MODULE)
    before = sizes(pathlib.Path(paths[1])) if len(paths) > 1 else None
    print(f"{sum(now.values()):>9,}  the module" + (f"  ({sum(now.values()) - sum(before.values()):+,})" if before else ""))
    for name in sorted(now | (before or {}), key=lambda name: -now[name]):
        size, growth = now[name], now[name] - before[name] if before else 0
        if max(size, abs(growth)) >= 1000:
            print(f"{size:>9,}  {name}" + (f"  ({growth:+,})" if before else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
