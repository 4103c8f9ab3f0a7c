"""A model card's metadata: YAML between two lines `---`, changed without losing what is there.

An edit touches the lines it is about alone; comments, order and spelling of the others stay. What
it did to the text is read again and compared with what it was to do.
"""

from __future__ import annotations

import re
import textwrap
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from finexl.errors import UsageError

_BLOCK = re.compile(
    r"(\s*---(?:\r\n|\r|\n))(.*?)((?:\r\n|\r|\n)---[ \t]*(?:\r\n|\n|\Z))", re.DOTALL
)
"""The hub's own rule for where metadata is."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z _/-]*")
"""What YAML 1.1 and 1.2 read alike without quotes, but for the words that PyYAML quotes itself."""
_LIST = "tag:yaml.org,2002:seq"
_TEXT = "tag:yaml.org,2002:str"

Path = tuple[str | int, ...]
"""Keys and indices from the whole down to a list: ("model-index", 0, "results")."""


@dataclass(frozen=True)
class FrontMatter:
    """The text between the two lines. What changes it raises UsageError where it cannot."""

    text: str

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the text says; not to be changed.

        Raises:
            UsageError: no YAML, no mapping, or YAML's aliases, which the hub's cards do not use.
        """
        try:
            data = yaml.safe_load(self.text)
            aliases = "*" in self.text and any(
                isinstance(token, yaml.AliasToken) for token in yaml.scan(self.text)
            )
        except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
            where = getattr(error, "problem_mark", None)
            line = "" if where is None else f": see its line {where.line + 1}"
            raise UsageError(f"The card's metadata is not valid YAML{line}.") from error
        if aliases:
            raise UsageError("The card's metadata has YAML aliases (*name); write them out.")
        if not isinstance(data, dict | None):
            raise UsageError("The card's metadata is YAML, but no `key: value` pairs.")
        return data or {}

    def with_key(self, key: str, value: Any) -> FrontMatter:
        """Return it with a new key at the end; one that is there stays as it is."""
        data = self.data
        if key in data:
            return self
        written = _written({key: value})
        return _checked(f"{self.text}\n{written}" if self.text else written, {**data, key: value})

    def with_item(self, path: Path, item: Any) -> FrontMatter:
        """Return it with one more item at the end of a list; a single value becomes its first."""
        data = deepcopy(self.data)
        holder = _value(data, path[:-1])
        held = as_list(holder[path[-1]])
        holder[path[-1]] = [*held, item]
        key, node = _found(yaml.compose(self.text), path)
        return _checked(_appended(self.text, key, node, item, empty=not held), data)

    def with_item_at(self, path: Path, place: int, item: Any) -> FrontMatter:
        """Return it with another item in the place of a list's old one."""
        data, items = deepcopy(self.data), _found(yaml.compose(self.text), path)[1]
        _value(data, path)[place] = item
        if items.flow_style:
            end = _end(items)
            items.value[place] = _node(item)
            return _checked(_rewritten(self.text, items, end), data)
        start, end = items.value[place].start_mark, _end(items.value[place])
        written = textwrap.indent(_written(item), " " * start.column).lstrip()
        return _checked(self.text[: start.index] + written + self.text[end:], data)

    def without_item(self, path: Path, place: int) -> FrontMatter:
        """Return it without an item of a list, the value of the path's first key written anew."""
        data, root = deepcopy(self.data), yaml.compose(self.text)
        whole = _found(root, path[:1])[1]
        end = _end(whole)
        del _value(data, path)[place], _found(root, path)[1].value[place]
        return _checked(_rewritten(self.text, whole, end), data)


def split(card: str) -> tuple[FrontMatter, str]:
    """Return a card's metadata, empty where it has none, and what follows them."""
    found = _BLOCK.match(card)
    return (FrontMatter(found[2]), card[found.end() :]) if found else (FrontMatter(""), card)


def joined(front: FrontMatter, card: str) -> str:
    """Return the card with these metadata in the place of its own."""
    found = _BLOCK.match(card)
    if found:
        return f"{found[1]}{front.text}{found[3]}{card[found.end() :]}"
    return f"---\n{front.text}\n---\n" + (f"\n{card}" if card else "")


def as_list(value: Any) -> list[Any]:
    """Return the items of what is a list, a single value, or nothing."""
    return value if isinstance(value, list) else [] if value is None else [value]


class _Writer(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes whatever another reader of YAML could take for something else than text."""


def _quoted(writer: _Writer, text: str) -> Any:
    return writer.represent_scalar(_TEXT, text, style=None if _PLAIN.fullmatch(text) else '"')


_Writer.add_representer(str, _quoted)
_STYLE: dict[str, Any] = {"allow_unicode": True, "width": float("inf")}


def _written(value: Any) -> str:
    """Return a list or mapping as YAML, an entry a line."""
    return str(yaml.dump(value, Dumper=_Writer, sort_keys=False, **_STYLE)).rstrip("\n")


def _node(value: Any) -> Any:
    return yaml.compose(_written([value])).value[0]


def _checked(text: str, expected: dict[str, Any]) -> FrontMatter:
    """Return the new text if it says what it is to say: no way of writing YAML gets past this."""
    changed = FrontMatter(text)
    try:
        # as text, since NaN is unequal to itself; the order of keys counts
        right = repr(changed.data) == repr(expected)
    except UsageError:
        right = False
    if not right:
        raise UsageError(
            "The card's metadata is written in a way that cannot be changed in place; write `tags` "
            "and `model-index` as plain lists, one entry a line."
        )
    return changed


def _value(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _found(node: Any, path: Path) -> tuple[Any, Any]:
    """Return the nodes of the last key on a path, and of what is there."""
    key = None
    for step in path:
        if isinstance(step, int):
            node = node.value[step]
        else:  # of keys that are there twice, the last counts
            key, node = next(pair for pair in reversed(node.value) if pair[0].value == step)
    return key, node


def _end(node: Any) -> int:
    """Return where a node's last letter is: a block's own mark lies after the comments below it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _appended(text: str, key: Any, node: Any, item: Any, *, empty: bool) -> str:
    start, end = node.start_mark, _end(node)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:  # after the last item's line
        at = text.find("\n", len(text[:end].rstrip()))
        at = len(text) if at < 0 else at
        return f"{text[:at]}\n{_indented([item], start.column)}{text[at:]}"
    if empty:  # nothing there, or []
        below = _indented([item], key.start_mark.column)
        return f"{text[: start.index].rstrip(' ')}\n{below}{text[end:]}"
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    longer = yaml.SequenceNode(_LIST, [*items, _node(item)], start, flow_style=True)
    return _rewritten(text, longer, end)


def _indented(value: Any, column: int) -> str:
    return textwrap.indent(_written(value), " " * column)


def _rewritten(text: str, node: Any, end: int) -> str:
    """Return the text with a value written anew, its scalars spelled as they were."""
    written = yaml.serialize(node, Dumper=yaml.SafeDumper, **_STYLE)
    before, column = text[: node.start_mark.index], " " * node.start_mark.column
    if not node.value:  # [], which stands behind its key
        before = before.rstrip() + " "
    return before + textwrap.indent(written, column).strip() + text[end:]
