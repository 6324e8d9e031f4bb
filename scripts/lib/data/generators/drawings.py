"""The embedded stand-in: generated drawings of a person by generated children.

Not children's drawings, and never reported as such: a set of the same kind, size and
file names as S0's, so that everything runs without data. Age shows in what a child
draws (body parts, proportions, detail) and in how steady its lines are; the subject in
hair and clothes; and each child has a hand of its own (pencil, paper, place on the
sheet), which is what a split that shares children between its sides can learn instead
of age.

Everything is drawn from engine.random, purpose "drawing": same seed, same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from engine.random import Stream, stream

YOUNGEST, OLDEST = 42, 142  # months
_SUBJECTS = "mws"


@dataclass(frozen=True)
class Child:
    """One generated child.

    number: within its category, from 1; months: age; author: m or f; talent: how far
    its drawing is ahead of its age (in years).
    """

    category: str
    number: int
    months: int
    author: str
    talent: float

    @property
    def id(self) -> str:
        """The child's id as in labels.csv."""
        return f"{self.category}-{self.number}"


@dataclass(frozen=True)
class Drawing:
    """One generated drawing; `months` is the age at which it was made."""

    child: Child
    subject: str
    months: int
    seed: int

    @property
    def name(self) -> str:
        """The file's name by S0's grammar, without ending."""
        years, months = divmod(self.months, 12)
        child = self.child
        who = f"{child.category}-{child.number}{self.subject}"
        return f"{who}-{years}.{months}{child.author}"

    @cached_property
    def maturity(self) -> float:
        """What shows of age: about 0 (3 years) ... 1 (12), with individual scatter."""
        own = stream(self.seed, "drawing", "maturity", self.name).normal(0.0, 0.35)
        years = self.months / 12 + self.child.talent + own
        return min(max((years - 3.0) / 9.0, 0.0), 1.0)

    def stream(self, *names: object) -> Stream:
        """Return random numbers of this drawing alone."""
        return stream(self.seed, "drawing", self.name, *names)

    def hand(self) -> Stream:
        """Return random numbers of the child, the same in all its drawings."""
        return stream(self.seed, "drawing", "hand", self.child.id)


def make_children(count: int, seed: int) -> list[Child]:
    """Return `count` children from nursery (up to 5 years) to p7 (11 years)."""
    numbers: dict[str, int] = {}
    children = []
    for i in range(count):
        draw = stream(seed, "drawing", "child", i)
        months = draw.integers(YOUNGEST, OLDEST + 1)
        # Classes are by school year, not by birthday: some start a little earlier.
        grade = int((months + draw.integers(-3, 4)) // 12) - 4
        category = "nu" if grade < 1 else f"p{min(grade, 7)}"
        numbers[category] = numbers.get(category, 0) + 1
        author = "mf"[draw.integers(0, 2)]
        talent = draw.normal(0.0, 0.6)
        children.append(Child(category, numbers[category], months, author, talent))
    return children


def make_drawings(drawings: int, children: int, seed: int) -> list[Drawing]:
    """Return the set: each child draws one to three subjects within a few weeks.

    Raises: ValueError if so many drawings cannot come from so few children.
    """
    if not children <= drawings <= 3 * children:
        raise ValueError(
            f"embedded drawings: expected between {children} and {3 * children} for "
            f"{children} children (one to three each), received {drawings}"
        )
    each, more = divmod(drawings, children)
    order = stream(seed, "drawing", "more").permutation(children).tolist()
    made = []
    for i, child in enumerate(make_children(children, seed)):
        draw = stream(seed, "drawing", "subjects", child.id)
        subjects = [_SUBJECTS[j] for j in draw.permutation(3)]
        for subject in subjects[: each + (order[i] < more)]:
            months = min(child.months + draw.integers(0, 2), OLDEST)
            made.append(Drawing(child, subject, months, seed))
    return made


@cache
def drawing_files(drawings: int, children: int, seed: int) -> tuple[str, ...]:
    """Return the names of the set's files, sorted; draws nothing."""
    made = make_drawings(drawings, children, seed)
    return tuple(sorted(f"{drawing.name}.jpeg" for drawing in made))
