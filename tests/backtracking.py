"""Count the steps of a regular expression, so that the result does not depend on how busy the machine is.

The steps are those of a plain backtracking matcher over the tree of `re._parser`. The engine of `re` takes no more:
it adds only optimizations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

from re import _compiler, _constants, _parser  # isort: skip

# A matcher that needs more is far from linear, and would make the tests slow.
MAX_STEPS = 100_000
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_CHARACTERS = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY)
# Characters that patterns often distinguish.
_COMMON = "a0_- .,:;=/\\\"'[]{}()<>@#%+&?!|\n\t\rZé$\x00"

Instruction = tuple[Any, ...]


class TooManySteps(Exception):
    """The matcher took more than MAX_STEPS."""


class Matcher:
    """Matches one pattern and counts the steps; with `full` it must match the whole text."""

    def __init__(self, pattern: str, flags: int = 0, *, full: bool = False) -> None:
        self.tree = _parser.parse(pattern, flags)
        self.flags = self.tree.state.flags
        self.full = full
        self.steps = 0
        self._code = self._compile(self.tree)
        if full:
            self._code.insert(-1, ("at", _constants.AT_END_STRING))

    # -- running -------------------------------------------------------------------------------------

    def count(self, text: str) -> int:
        """Return the steps of one `fullmatch`, or of finding every match. Raise TooManySteps above MAX_STEPS."""
        self.steps = start = 0
        while start <= len(text):
            end = self._run(self._code, text, start)
            if self.full:
                break
            start = start + 1 if end is None or end == start else end
        return self.steps

    def _run(self, code: list[Instruction], text: str, start: int) -> int | None:
        """Return where the match that starts at `start` ends, or None."""
        stack = [(0, start)]
        while stack:
            at, position = stack.pop()
            while True:
                self.steps += 1
                if self.steps > MAX_STEPS:
                    raise TooManySteps
                kind, *rest = code[at]
                at += 1
                if kind == "character":
                    if position == len(text) or not rest[0](text[position]):
                        break
                    position += 1
                elif kind == "split":
                    at, other = rest
                    stack.append((other, position))
                elif kind == "jump":
                    at = rest[0]
                elif kind == "end":
                    return position
                elif kind == "at":
                    if not self._is_at(rest[0], text, position):
                        break
                elif kind == "atomic":
                    found = self._run(rest[0], text, position)
                    if found is None:
                        break
                    position = found
                else:
                    inner, is_wanted, behind = rest
                    found = None if behind > position else self._run(inner, text, position - behind)
                    if (found is not None) != is_wanted:
                        break
        return None

    def _is_at(self, code: Any, text: str, position: int) -> bool:
        name = str(code)
        is_multiline = self.flags & re.MULTILINE and not name.endswith("STRING")
        if name.startswith("AT_BEGINNING"):
            return position == 0 or bool(is_multiline and text[position - 1] == "\n")
        if name == "AT_END_STRING":
            return position == len(text)
        if name == "AT_END":
            return position == len(text) or (
                text[position] == "\n" and (bool(is_multiline) or position == len(text) - 1)
            )
        before, after = (
            bool(re.match(r"\w", one)) for one in (text[position - 1 : position], text[position : position + 1])
        )
        assert name in ("AT_BOUNDARY", "AT_NON_BOUNDARY"), name
        return (before != after) is (name == "AT_BOUNDARY")

    # -- compiling -----------------------------------------------------------------------------------

    def _compile(self, tree: Any) -> list[Instruction]:
        """Translate a tree into instructions, of which "split" has a preferred and an alternative target."""
        code: list[Instruction] = []
        self._add(code, tree)
        code.append(("end",))
        return code

    def _add(self, code: list[Instruction], tree: Any) -> None:
        for kind, value in tree:
            if kind in _CHARACTERS:
                code.append(("character", self.accepts((kind, value))))
            elif kind in _REPEATS:
                self._repeat(code, kind, *value)
            elif kind is _constants.SUBPATTERN:
                assert not value[1] and not value[2], "flags for a part of a pattern are not supported"
                self._add(code, value[3])
            elif kind is _constants.ATOMIC_GROUP:
                code.append(("atomic", self._compile(value)))
            elif kind is _constants.BRANCH:
                self._branch(code, value[1])
            elif kind is _constants.AT:
                code.append(("at", value))
            elif kind in (_constants.ASSERT, _constants.ASSERT_NOT):
                behind = value[1].getwidth()[0] if value[0] < 0 else 0
                code.append(("look", self._compile(value[1]), kind is _constants.ASSERT, behind))
            else:
                raise ValueError(f"the matcher does not support {kind}, which a pattern of the product uses")

    def _branch(self, code: list[Instruction], branches: list[Any]) -> None:
        ends = []
        for branch in branches[:-1]:
            split = len(code)
            code.append(("split", 0, 0))
            self._add(code, branch)
            ends.append(len(code))
            code.append(("jump", 0))
            code[split] = ("split", split + 1, len(code))
        self._add(code, branches[-1])
        for end in ends:
            code[end] = ("jump", len(code))

    def _repeat(self, code: list[Instruction], kind: Any, low: int, high: Any, body: Any) -> None:
        if kind is _constants.POSSESSIVE_REPEAT:
            inner: list[Instruction] = []
            self._repeat(inner, _constants.MAX_REPEAT, low, high, body)
            code.append(("atomic", [*inner, ("end",)]))
            return
        for _ in range(low):
            self._add(code, body)
        is_unbounded = high is _constants.MAXREPEAT
        assert not is_unbounded or body.getwidth()[0], (
            "an unbounded repeat of something that may be empty is not supported"
        )
        splits = []
        for _ in range(1 if is_unbounded else high - low):
            splits.append(len(code))
            code.append(("split", 0, 0))
            self._add(code, body)
            if is_unbounded:
                code.append(("jump", splits[0]))
        for split in splits:
            more, enough = split + 1, len(code)
            code[split] = ("split", enough, more) if kind is _constants.MIN_REPEAT else ("split", more, enough)

    def accepts(self, node: Any) -> Callable[[str], bool]:
        """Return a predicate: does the engine of `re` match this character with the node?"""
        match = _compiler.compile(_parser.SubPattern(self.tree.state, [node]), self.flags & ~re.DEBUG).match
        return cache(lambda character: match(character) is not None)

    # -- attacks -------------------------------------------------------------------------------------

    def attacks(self) -> list[tuple[str, str, str]]:
        """Return hostile texts as (prefix, repeated part, suffix), built from the pattern's repeats and literals."""
        accepts = {}
        for kind, value in _nodes(self.tree):
            if kind in _CHARACTERS:
                accepts[repr((kind, value))] = self.accepts((kind, value))
        literals = "".join(_words(self.tree))
        classes: dict[tuple[bool, ...], str] = {}
        for character in dict.fromkeys(_COMMON + literals):
            classes.setdefault(tuple(accept(character) for accept in accepts.values()), character)
        letters = list(classes.values())
        words = [word for word in dict.fromkeys(_words(self.tree)) if len(word) > 1]
        whole = self._sample(self.tree)
        suffixes = ["", "\x00", "-"]
        found: dict[tuple[str, str, str], None] = {}
        for prefix, body in self._repeats(self.tree, ""):
            inside = [one for one in letters if any(accept(one) for accept in self._predicates(body))]
            sample = self._sample(body)
            pumps = [
                sample,
                *inside,
                *(prefix[-3:] + one for one in inside[:4]),
                *(a + b for a in inside[:3] for b in inside[:3]),
            ]
            found.update(dict.fromkeys(product((prefix,), filter(None, pumps), suffixes)))
        pumps = [*words, *(word + one for word in words for one in "_-=[ :"), whole, *letters]
        if len(letters) <= 8:
            pumps += [a + b for a in letters for b in letters]
        found.update(dict.fromkeys(product(("",), filter(None, pumps), suffixes)))
        return list(found)

    def _predicates(self, tree: Any) -> list[Callable[[str], bool]]:
        return [self.accepts(node) for node in _nodes(tree) if node[0] in _CHARACTERS]

    def _repeats(self, tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        """Yield what may be repeated more than nine times, each with a short text that leads to it."""
        for kind, value in tree:
            if kind in _REPEATS:
                if value[1] > 9:
                    yield prefix, value[2]
                yield from self._repeats(value[2], prefix)
            elif kind is _constants.BRANCH:
                for branch in value[1]:
                    yield from self._repeats(branch, prefix)
            elif kind in (_constants.SUBPATTERN, _constants.ASSERT, _constants.ATOMIC_GROUP):
                inner = value if kind is _constants.ATOMIC_GROUP else value[-1]
                yield from self._repeats(inner, prefix)
            prefix += self._sample([(kind, value)])

    def _sample(self, tree: Any) -> str:
        """Return a short text that the tree matches."""
        text = ""
        for kind, value in tree:
            if kind in _CHARACTERS:
                accept = self.accepts((kind, value))
                text += next(one for one in map(chr, [*map(ord, _COMMON), *range(0x3000)]) if accept(one))
            elif kind in _REPEATS:
                text += self._sample(value[2]) * value[0]
            elif kind is _constants.BRANCH:
                text += self._sample(value[1][0])
            elif kind is _constants.SUBPATTERN:
                text += self._sample(value[3])
            elif kind is _constants.ATOMIC_GROUP:
                text += self._sample(value)
        return text


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every node of the tree, with those inside groups and branches."""
    for kind, value in tree:
        yield kind, value
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, _parser.SubPattern):
                yield from _nodes(inner)
            elif kind is _constants.BRANCH and isinstance(inner, list):
                for branch in inner:
                    yield from _nodes(branch)


def _words(tree: Any) -> Iterator[str]:
    """Yield the runs of literal characters in the pattern."""
    word = ""
    for kind, value in tree:
        if kind is _constants.LITERAL:
            word += chr(value)
            continue
        if word:
            yield word
            word = ""
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, _parser.SubPattern):
                yield from _words(inner)
            elif kind is _constants.BRANCH and isinstance(inner, list):
                for branch in inner:
                    yield from _words(branch)
    if word:
        yield word
