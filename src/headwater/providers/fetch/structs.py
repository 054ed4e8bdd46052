"""Structs made from dotted paths: the JSON decoder picks a few members and skips the rest undecoded."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from headwater.providers import paging

NONE = "none"
"""An attribute that every such struct has, and that is None."""

Tree = dict[str, Any]


def struct_of(types: Mapping[str, Any], *, required: str = "") -> tuple[type[msgspec.Struct], dict[str, str]]:
    """Return a struct with the members at dotted paths, and the dotted attribute of each.

    A member that is absent is None, except the one at `required`, whose absence is a
    `msgspec.ValidationError`; so is anything but an object on the way to a member. Raises: ValueError when
    one path leads through another's end.
    """
    tree: Tree = {}
    for path, wire in types.items():
        *way, end = paging.steps(path)
        node = tree
        for name in way:
            inner = node.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{path} leads through the end of another path")
            node = cast("Tree", inner)
        if end in node:
            raise ValueError(f"{path} is another path, too, or on the way of one")
        node[end] = (wire, path == required)
    struct, _ = _struct(tree)
    return struct, {path: _attribute(tree, paging.steps(path)) for path in types}


def _struct(tree: Tree) -> tuple[type[msgspec.Struct], bool]:
    """Return the struct of a tree, and whether anything in it is required."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    any_required = False
    for number, (name, node) in enumerate(tree.items()):
        attribute = f"f{number}"  # names of members need not be identifiers
        rename[attribute] = name
        if isinstance(node, tuple):
            wire, required = cast("tuple[Any, bool]", node)
            default = None
        else:
            wire, required = _struct(cast("Tree", node))
            default = msgspec.field(default_factory=wire)
        fields.append((attribute, wire) if required else (attribute, wire, default))
        any_required |= required
    struct = msgspec.defstruct(
        "Picked", fields, rename=rename, namespace={NONE: None}, kw_only=True, gc=False, frozen=True
    )
    return struct, any_required


def _attribute(tree: Tree, names: list[str]) -> str:
    attributes: list[str] = []
    node: Any = tree
    for name in names:
        attributes.append(f"f{list(node).index(name)}")
        node = node[name]
    return ".".join(attributes)
