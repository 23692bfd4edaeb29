"""Reads the YAML that people write: campaigns, kubeconfigs, values on the command line.

Only what JSON has as well: a date is a text. A key given twice is an error, and whatever a text
holds there is one error, YamlError; the library's own constructors raise what they happen to meet:
ValueError for ``!!int zz``, KeyError for ``!!bool zz``, TypeError for a key that is a list.
"""

import yaml

DEPTH_MAX = 100
"""Of lists and mappings in each other; the library recurses."""


class YamlError(ValueError):
    """One sentence that says where and what; "line 1, column 6: not YAML: ..."."""


_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [entry for entry in entries if entry[0] not in (f"{_TAG}timestamp", f"{_TAG}merge")]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if tag in (None, f"{_TAG}null", f"{_TAG}str", f"{_TAG}seq")
    }
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise yaml.MarkedYAMLError(
                problem=f"more than {DEPTH_MAX} lists and mappings in each other",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _scalar(loader: _Loader, node: yaml.Node) -> object:
    construct = yaml.SafeLoader.yaml_constructors[node.tag]
    try:
        return construct(loader, node)
    except (ValueError, KeyError):
        word = node.tag.rpartition(":")[2]
        raise YamlError(
            f"{_place(node.start_mark)}: {str(node.value)[:40]!r} is no {word}"
        ) from None


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[object, object]:
    out: dict[object, object] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(f"{_place(key_node.start_mark)}: a key must be a plain value")
        key = loader.construct_object(key_node, deep=True)
        if key in out:
            raise YamlError(f"line {key_node.start_mark.line + 1}: key {key!r} is given twice")
        out[key] = loader.construct_object(value_node, deep=True)
    return out


for _name in ("bool", "int", "float"):
    _Loader.add_constructor(_TAG + _name, _scalar)
_Loader.add_constructor(f"{_TAG}map", _mapping)


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def read_yaml(text: str) -> object:
    """The single document of ``text``. Errors: YamlError."""
    try:
        found: object = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        where = f"{_place(error.problem_mark)}: " if error.problem_mark else ""
        raise YamlError(f"{where}not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {str(error).splitlines()[0]}") from None
    return found
