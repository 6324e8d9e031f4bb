"""Drawing one person on a sheet of paper, as a child of a given maturity would.

Pixels: x to the right, y down; 0 black, 255 white. Used by drawings.py
only.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.random import Stream
from scripts.lib.data.generators.drawings import Drawing

_FRACTION = 3  # cv2 draws at 1/8 px


class Pencil:
    """Lines on a sheet; `wobble` is the lines' unsteadiness in px."""

    def __init__(self, sheet: np.ndarray, draw: Stream, wobble: float, hand: Stream):
        self.sheet, self.draw, self.wobble = sheet, draw, wobble
        self.width = hand.uniform(5.0, 10.0)
        self.grey = hand.uniform(15, 115)

    def line(self, points, closed: bool = False) -> None:
        """Draw through points (n, 2) in px, unsteadily."""
        points = np.asarray(points, float)
        if closed:
            points = np.vstack([points, points[:1]])
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        count = max(int(lengths.sum() / 22), 3)
        at = np.linspace(0, lengths.sum(), count)
        along = np.concatenate([[0], np.cumsum(lengths)])
        path = np.stack([np.interp(at, along, points[:, i]) for i in (0, 1)], axis=1)
        path += _smooth(self.draw.normal(0, self.wobble, (count, 2)))
        pressure = self.draw.uniform(0.8, 1.2)
        cv2.polylines(
            self.sheet,
            [np.round(path * 2**_FRACTION).astype(np.int32)],
            False,
            self.grey,
            max(round(self.width * pressure), 2),
            cv2.LINE_AA,
            _FRACTION,
        )

    def oval(self, x: float, y: float, rx: float, ry: float) -> None:
        """Draw an ellipse; its ends meet the worse the less steady the hand is."""
        gap = self.draw.normal(0, 0.02 * self.wobble)
        turn = np.linspace(0, 2 * np.pi + gap, 28)
        self.line(np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1))

    def shade(self, corners) -> None:
        """Fill a polygon with strokes of half the pencil's darkness."""
        mask = np.zeros(self.sheet.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)
        tone = (self.grey + 2 * 255) / 3 + self.draw.uniform(-25, 10)
        self.sheet[mask > 0] = np.minimum(self.sheet[mask > 0], tone)


def _smooth(noise: np.ndarray) -> np.ndarray:
    """A hand drifts rather than jumps: mean of neighbours."""
    return (noise + np.roll(noise, 1, axis=0)) / np.sqrt(2)


def draw_person(drawing: Drawing) -> np.ndarray:
    """Return the sheet, uint8 (height, width), about 800 × 600."""
    hand, draw, m = drawing.hand(), drawing.stream("lines"), drawing.maturity
    height, width = 800 + hand.integers(-40, 41), 600 + hand.integers(-30, 31)
    sheet = _paper(height, width, hand, drawing.stream("paper"))
    pencil = Pencil(sheet, draw, wobble=1.5 + 11 * (1 - m) ** 1.5, hand=hand)
    # Children grow into the sheet's middle; small ones put the figure anywhere.
    loose = (1 - m) * 0.10
    x = width * (0.5 + hand.normal(0, 0.04) + draw.normal(0, loose))
    total = height * min(max(0.50 + 0.22 * m + draw.normal(0, 0.06), 0.35), 0.86)
    total *= 0.9 if drawing.subject == "s" else 1.0
    top = (height - total) * min(max(0.45 + draw.normal(0, loose), 0.1), 0.9)
    _figure(pencil, drawing, x, top, total)
    _surroundings(pencil, draw, m, x, top + total)
    return np.clip(np.round(sheet), 0, 255).astype(np.uint8)


def encode(drawing: Drawing) -> bytes:
    """Return the drawing as a JPEG file."""
    good, data = cv2.imencode(
        ".jpeg", draw_person(drawing), [cv2.IMWRITE_JPEG_QUALITY, 80]
    )
    if not good:
        raise ValueError(f"{drawing.name}: OpenCV could not encode the drawing")
    return data.tobytes()


def _paper(height: int, width: int, hand: Stream, draw: Stream) -> np.ndarray:
    """Return the child's paper: its tint, a shadow at one side, grain of the scan."""
    tint = hand.uniform(232, 254)
    slope = hand.uniform(-14, 14, 2)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    grain = draw.normal(0, 1.5, (height // 4 + 1, width // 4 + 1))
    grain = np.kron(grain, np.ones((4, 4)))[:height, :width]
    return np.minimum(tint + slope[0] * y + slope[1] * x + grain, 255)


def _figure(p: Pencil, drawing: Drawing, x: float, top: float, total: float) -> None:
    draw, m = p.draw, drawing.maturity
    share = 0.52 - 0.34 * m + draw.normal(0, 0.02)  # of the head in the figure
    share *= 1.12 if drawing.subject == "s" else 1.0
    head = total * share / 2
    neck = top + 2 * head
    _head(p, drawing, x, top + head, head)
    has_body = m > 0.14 + draw.normal(0, 0.04)
    legs = neck + (total - 2 * head) * (0.52 if has_body else 0.0)
    half = (total - 2 * head) * (0.10 + 0.12 * m)
    hips = _body(p, drawing, x, neck, legs, half) if has_body else head * 0.5
    _limbs(p, drawing, x, (neck, legs, top + total), (half, hips, head), has_body)


def _head(p: Pencil, drawing: Drawing, x: float, y: float, r: float) -> None:
    draw, m = p.draw, drawing.maturity
    p.oval(x, y, r * (0.95 - 0.18 * m), r)
    for side in (-1, 1):
        eye = x + side * r * 0.36
        p.oval(eye, y - r * 0.18, r * (0.17 - 0.06 * m), r * (0.14 - 0.06 * m))
        if m > 0.5:
            p.line([(eye - r * 0.16, y - r * 0.42), (eye + r * 0.16, y - r * 0.46)])
        if m > 0.42:
            p.oval(x + side * r * 0.84, y, r * 0.12, r * 0.2)
    smile = 0.16 + 0.14 * draw.uniform()
    turn = np.linspace(0.15 * np.pi, 0.85 * np.pi, 9)
    wide = r * (0.55 - 0.2 * m)
    mouth = [(x + wide * np.cos(t), y + r * (0.35 + smile * np.sin(t))) for t in turn]
    p.line(mouth)
    if m > 0.3 + draw.normal(0, 0.06):
        p.line(
            [(x, y - r * 0.1), (x - r * 0.1, y + r * 0.18), (x + r * 0.06, y + r * 0.2)]
        )
    if m > 0.12:
        _hair(p, drawing, x, y, r)


def _hair(p: Pencil, drawing: Drawing, x: float, y: float, r: float) -> None:
    """Short hair or a hat for a man, long for a woman; the author's own for self."""
    long = drawing.subject == "w" or (
        drawing.subject == "s" and drawing.child.author == "f"
    )
    strokes = int(5 + 14 * drawing.maturity)
    for turn in np.linspace(1.1 * np.pi, 1.9 * np.pi, strokes):
        begin = (x + 0.85 * r * np.cos(turn), y + r * np.sin(turn))
        p.line([begin, (begin[0] + 0.2 * r * np.cos(turn), begin[1] - 0.22 * r)])
    if long:
        for side in (-1, 1):
            for shift in np.linspace(0.75, 1.1, 2 + int(4 * drawing.maturity)):
                outer = x + side * r * shift
                p.line(
                    [
                        (x + side * r * 0.6, y - r * 0.8),
                        (outer, y),
                        (outer, y + r * 1.25),
                    ]
                )
    elif drawing.subject == "m" and drawing.maturity > 0.25:
        brim, crown = y - 0.85 * r, y - 1.4 * r
        p.line([(x - 1.1 * r, brim), (x + 1.1 * r, brim)])
        corners = [
            (x - 0.6 * r, brim),
            (x - 0.55 * r, crown),
            (x + 0.55 * r, crown),
            (x + 0.6 * r, brim),
        ]
        p.line(corners)
        if drawing.maturity > 0.45:
            p.shade(corners)


def _body(
    p: Pencil, drawing: Drawing, x: float, neck: float, legs: float, half: float
) -> float:
    """Draw trunk and clothes; return half the width of the hips."""
    m = drawing.maturity
    skirt = drawing.subject == "w" and m > 0.2
    hips = half * (2.0 if skirt else 0.85)
    if m < 0.32:
        p.oval(x, (neck + legs) / 2, half * 1.2, (legs - neck) / 2)
    else:
        sides = [(x - half, neck), (x + half, neck), (x + hips, legs), (x - hips, legs)]
        p.line(sides, closed=True)
        if m > 0.62:
            p.shade(sides if skirt else _lower_half(sides))
    if m > 0.4 and drawing.subject != "w":
        for y in np.linspace(neck, legs, 2 + int(4 * m))[1:-1]:
            p.oval(x, y, 4, 4)
    if m > 0.55:
        belt = neck + 0.6 * (legs - neck)
        p.line([(x - half, belt), (x + half, belt)])
        p.line([(x - half * 0.4, neck), (x, neck + half * 0.6), (x + half * 0.4, neck)])
    return hips


def _lower_half(sides):
    (ax, ay), (bx, by), c, d = sides
    return [
        ((ax + d[0]) / 2, (ay + d[1]) / 2),
        ((bx + c[0]) / 2, (by + c[1]) / 2),
        c,
        d,
    ]


def _limbs(
    p: Pencil, drawing: Drawing, x: float, levels, widths, has_body: bool
) -> None:
    (neck, legs, foot), (half, hips, head) = levels, widths
    draw, m = p.draw, drawing.maturity
    thick = (foot - neck) * 0.05 * m if m > 0.38 else 0.0
    for side in (-1, 1):
        # A small child's arms leave the head, or the middle of the trunk.
        shoulder = (x + side * half, neck + (1 - m) * 0.3 * (legs - neck))
        if not has_body:
            shoulder = (x + side * head * 0.9, neck - head * 0.7)
        reach = (foot - neck) * (0.30 + 0.06 * m)
        angle = draw.uniform(-0.25, 0.5) if m < 0.4 else draw.uniform(0.55, 1.25)
        hand = (
            shoulder[0] + side * reach * np.cos(angle),
            shoulder[1] + reach * np.sin(angle),
        )
        _limb(p, shoulder, hand, thick, sideways=False)
        if m > 0.26 + draw.normal(0, 0.05):
            _fingers(p, hand, side, angle, reach * 0.28, 3 if m < 0.4 else 5)
        ankle = x + side * (hips * 0.55 + draw.normal(0, 4))
        _limb(
            p, (x + side * hips * 0.45, legs), (ankle, foot), thick * 1.3, sideways=True
        )
        if m > 0.2:
            p.oval(ankle + side * 18, foot, 14 + 14 * m, 8 + 3 * m)


def _limb(p: Pencil, begin, end, thick: float, *, sideways: bool) -> None:
    """One stroke, or two side by side once a child gives limbs a width."""
    dx, dy = (thick, 0.0) if sideways else (0.0, thick)
    p.line([(begin[0] - dx, begin[1] - dy), (end[0] - dx, end[1] - dy)])
    if thick:
        p.line([(begin[0] + dx, begin[1] + dy), (end[0] + dx, end[1] + dy)])


def _fingers(
    p: Pencil, hand, side: int, angle: float, length: float, count: int
) -> None:
    for spread in np.linspace(-0.8, 0.8, count):
        a = angle + spread
        tip = (hand[0] + side * length * np.cos(a), hand[1] + length * np.sin(a))
        p.line([hand, tip])


def _surroundings(p: Pencil, draw: Stream, m: float, x: float, ground: float) -> None:
    """What is around: scribbles of the small, ground and sun of the older."""
    height, width = p.sheet.shape
    if m < 0.35:
        for _ in range(draw.integers(0, 4)):
            centre = draw.uniform(0.12, 0.88, 2) * (width, height)
            p.line(centre + draw.normal(0, 28, (7, 2)))
    if m > 0.45 and draw.uniform() < 0.5:
        y = min(ground + 12, height - 8)
        p.line([(width * 0.06, y), (width * 0.94, y)])
    if 0.3 < m < 0.8 and draw.uniform() < 0.4:
        corner = width * (0.12 if x > width / 2 else 0.88)
        p.oval(corner, height * 0.09, 38, 38)
        for turn in np.linspace(0, 2 * np.pi, 9)[:-1]:
            ray = np.array([np.cos(turn), np.sin(turn)])
            sun = np.array([corner, height * 0.09])
            p.line([sun + 46 * ray, sun + 68 * ray])
