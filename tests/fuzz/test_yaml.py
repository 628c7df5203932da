"""Whatever stands in the YAML: the loader answers, within bounds, and without repeating secrets."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.configuration import load
from gateway.configuration.schema import homes
from gateway.configuration.yaml_source import MAX_DEPTH, Mapping, Node, Scalar, Sequence, parse

KEYS = st.one_of(st.sampled_from(sorted(homes())), st.text(max_size=12))
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["shop.yaml", "smtp", "a@b.example", "30m", "20 per day", "tag", "*", "${X}"]),
    st.text(max_size=20),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)


def dump(value: object) -> str:
    """A value in flow style, in quotes of our own, so that wrong documents arise as well."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quote(key)}: {dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dump(item) for item in value) + "]"
    return quote(value) if isinstance(value, str) else str(value).lower()


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def load_octets(octets: bytes, **environ: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.yaml"
        path.write_bytes(octets)
        loaded = load(path, environ)
        assert loaded.settings is not None or loaded.problems
        for problem in loaded.problems:
            assert problem.line >= 1
            assert str(problem).isprintable()
        return [str(problem) for problem in loaded.problems]


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbfhostname: a.example")
@example(b"a: &a [*a]")
@example(b"a:\n- b: [x\n  c: 1\n-\n - d: 'x\n e:\n")
@example(b"? [a, b]\n: c")
@example(b"? &x {}\n: *x")
@example(b"%YAML 1.3\n---\na: 1")
@example(b"<<: [*a]")
@example(b"<<: 1")
@example(b"\x00")
@example(b"{" * 2000)
@example(b"- " * 2000)
def test_any_octets(octets: bytes) -> None:
    load_octets(octets)


@given(st.text(alphabet="ab:-{}[],&*!#|>'\"%@`~?<\n \t$\\", max_size=120))
def test_any_punctuation(text: str) -> None:
    load_octets(text.encode())


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(sorted(homes())), VALUES, max_size=6))
def test_any_values_under_known_keys(data: dict[str, object]) -> None:
    load_octets(dump(data).encode("utf-8", "surrogatepass"))


@given(VALUES, st.sampled_from(sorted(homes())))
def test_a_secret_from_the_environment_is_never_told(value: object, key: str) -> None:
    secret = "Tr0ub4dor&3-Tr0ub4dor"
    text = dump({key: value, "hostname": "${S} ", "store": "${S}", "outbound": "${S}"})
    said = load_octets(text.encode("utf-8", "surrogatepass"), S=secret, X=secret)
    assert secret not in "\n".join(said)


@given(st.text(alphabet="ab&*[]{}:, \n<-", max_size=200))
def test_trees_are_bounded(text: str) -> None:
    tree = parse(text.encode())
    assert tree.root is not None or tree.mistakes or not text.strip()
    if tree.root is not None:
        assert depth(tree.root) <= MAX_DEPTH


def depth(node: Node) -> int:
    match node:
        case Scalar():
            return 1
        case Sequence():
            return 1 + max(map(depth, node.items), default=0)
        case Mapping():
            return 1 + max((depth(entry.node) for entry in node.entries.values()), default=0)
