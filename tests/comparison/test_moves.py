"""Detection of moved symbols."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.moves import Candidate, digest, pairs


def thing(name: str, *marks: str, subject: str = "class", extension: str = "a") -> Candidate:
    """Return a candidate. A mark is ``docstring:text``."""
    digests = tuple((mark.partition(":")[0], digest(mark.partition(":")[2])) for mark in marks)
    return Candidate(subject, extension, name, digests)


def paired(removed: list[Candidate], added: list[Candidate]) -> set[tuple[str, str]]:
    return {(one.name, other.name) for one, other in pairs(removed, added)}


def test_two_items_with_a_unique_docstring_are_a_pair() -> None:
    old, new = thing("m.A", "docstring:x"), thing("n.B", "docstring:x")
    assert paired([old], [new]) == {("m.A", "n.B")}
    assert paired([old], [new, thing("n.C", "docstring:x")]) == set()
    assert paired([old, thing("m.D", "docstring:x")], [new]) == set()


def test_the_last_parts_of_the_names_decide_between_several() -> None:
    removed = [thing(f"old.{one}.cfg.Policy", "members:x") for one in ("ant", "bee", "cat")]
    added = [thing(f"new.{one}.cfg.Policy", "members:x") for one in ("bee", "cat", "dog")]
    assert paired(removed, added) == {
        ("old.bee.cfg.Policy", "new.bee.cfg.Policy"),
        ("old.cat.cfg.Policy", "new.cat.cfg.Policy"),
    }


def test_a_changed_item_moves_with_its_module() -> None:
    removed = [thing("p.old.m.A", "docstring:a"), thing("p.old.m.B", "docstring:b"), thing("p.old.n.C")]
    added = [thing("p.new.m.A", "docstring:a"), thing("p.new.m.B", "docstring:changed"), thing("p.new.n.C")]
    assert ("p.old.m.B", "p.new.m.B") in paired(removed, added)
    assert ("p.old.n.C", "p.new.n.C") in paired(removed, added)
    assert paired(removed[1:], added[1:]) == set()


def test_code_takes_precedence_over_a_docstring() -> None:
    old = thing("m.f", "code:1", "docstring:x", subject="function")
    same_code = thing("n.g", "code:1", "docstring:y", subject="function")
    same_text = thing("n.h", "code:2", "docstring:x", subject="function")
    assert paired([old], [same_text, same_code]) == {("m.f", "n.g")}


def test_items_of_two_kinds_are_never_a_pair() -> None:
    assert paired([thing("m.A", "docstring:x")], [thing("n.A", "docstring:x", subject="function")]) == set()


def test_items_of_one_name_in_two_extensions_are_a_pair() -> None:
    assert paired([thing("m.A", extension="a")], [thing("m.A", extension="b")]) == {("m.A", "m.A")}


NAMES = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("mnop"), st.sampled_from("ABCD"), st.sampled_from("xyz")),
    max_size=12,
    unique_by=lambda item: item[:3],
)


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES)
def test_nothing_is_paired_twice_and_the_order_does_not_matter(
    old: list[tuple[str, str, str, str]], new: list[tuple[str, str, str, str]]
) -> None:
    removed = [thing(f"old.{a}.{m}.{name}", f"docstring:{text}") for a, m, name, text in old]
    added = [thing(f"new.{a}.{m}.{name}", f"docstring:{text}") for a, m, name, text in new]
    found = list(pairs(removed, added))
    assert len({one.name for one, _ in found}) == len({other.name for _, other in found}) == len(found)
    assert paired(removed[::-1], added[::-1]) == {(one.name, other.name) for one, other in found}


def test_a_hundred_thousand_candidates_are_paired() -> None:
    removed = [thing(f"old.m{number}.A{number}", f"docstring:{number}") for number in range(50_000)]
    added = [thing(f"new.m{number}.A{number}", f"docstring:{number}") for number in range(50_000)]
    # A quadratic comparison would exceed the time limit of a test.
    assert len(list(pairs(removed, added))) == 50_000
