"""Draw the schematic districts of `seeds/district_shapes.csv`.

`python tests/support/district_shapes.py` writes the seed. Boundaries with a free licence are not at
hand, so a district is the part of a rough outline of Seoul that is nearest to its office, where
nearness is weighted until each part has the district's area. The map shows where a district is and
how large it is, not where its border runs.
"""

import csv
import math
from pathlib import Path

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
TOLERANCE = 0.01
"""Largest error of an area, as a share of it."""
OUTLINE = (
    *((126.764, 37.555), (126.802, 37.604), (126.853, 37.572), (126.876, 37.590)),
    *((126.903, 37.592), (126.886, 37.612), (126.905, 37.648), (126.947, 37.657)),
    *((126.966, 37.646), (126.976, 37.648), (126.984, 37.664), (126.994, 37.684)),
    *((127.016, 37.701), (127.051, 37.686), (127.096, 37.690), (127.093, 37.645)),
    *((127.112, 37.617), (127.118, 37.595), (127.112, 37.579), (127.126, 37.574)),
    *((127.141, 37.575), (127.178, 37.581), (127.183, 37.545), (127.155, 37.502)),
    *((127.161, 37.490), (127.130, 37.465), (127.098, 37.457), (127.070, 37.430)),
    *((127.035, 37.439), (127.028, 37.454), (127.005, 37.467), (126.988, 37.457)),
    *((126.964, 37.439), (126.930, 37.436), (126.903, 37.434), (126.882, 37.459)),
    *((126.866, 37.479), (126.823, 37.474), (126.815, 37.493), (126.826, 37.506)),
    *((126.822, 37.541), (126.796, 37.535)),
)
"""Longitude and latitude of points around Seoul, read off by eye."""
KM_PER_DEGREE = 111.2
KM_PER_DEGREE_EAST = KM_PER_DEGREE * math.cos(math.radians(37.55))

Point = tuple[float, float]


def to_km(longitude: float, latitude: float) -> Point:
    return longitude * KM_PER_DEGREE_EAST, latitude * KM_PER_DEGREE


def clip(ring: list[Point], normal: Point, limit: float) -> list[Point]:
    """Return the part of a ring where the product with `normal` is at most `limit`."""
    kept: list[Point] = []
    excess = [x * normal[0] + y * normal[1] - limit for x, y in ring]
    for index, point in enumerate(ring):
        before, at = excess[index - 1], excess[index]
        if (before <= 0) != (at <= 0):
            share = before / (before - at)
            start = ring[index - 1]
            kept.append(
                (
                    start[0] + share * (point[0] - start[0]),
                    start[1] + share * (point[1] - start[1]),
                )
            )
        if at <= 0:
            kept.append(point)
    return kept


def area(ring: list[Point]) -> float:
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def cell(
    number: int, sites: list[Point], weights: list[float], outline: list[Point]
) -> list[Point]:
    """Return the points of the outline's area that are nearest to a site, by weighted distance."""
    x, y = sites[number]
    ring = outline
    for other, (other_x, other_y) in enumerate(sites):
        if other == number or not ring:
            continue
        limit = other_x**2 + other_y**2 - x**2 - y**2 + weights[number] - weights[other]
        ring = clip(ring, (2 * (other_x - x), 2 * (other_y - y)), limit)
    return ring


def shapes(districts: list[dict[str, str]]) -> dict[str, list[Point]]:
    """Return the ring of each district in kilometres, with its share of the outline's area."""
    outline = [to_km(*point) for point in OUTLINE]
    origin = outline[0]
    outline = [(x - origin[0], y - origin[1]) for x, y in outline]
    sites = [to_km(float(row["longitude"]), float(row["latitude"])) for row in districts]
    sites = [(x - origin[0], y - origin[1]) for x, y in sites]
    areas = [float(row["area_km2"]) for row in districts]
    targets = [each / sum(areas) * area(outline) for each in areas]
    weights = [0.0] * len(sites)
    for _ in range(3000):
        rings = [cell(number, sites, weights, outline) for number in range(len(sites))]
        errors = [target - area(ring) for target, ring in zip(targets, rings, strict=True)]
        if all(
            abs(error) <= TOLERANCE * target for error, target in zip(errors, targets, strict=True)
        ):
            return {row["district_id"]: ring for row, ring in zip(districts, rings, strict=True)}
        weights = [weight + 0.2 * error for weight, error in zip(weights, errors, strict=True)]
    raise RuntimeError(f"no areas within the tolerance: {errors}")


def centre(ring: list[Point]) -> Point:
    """Return the centre of gravity of a ring's area."""
    x = y = doubled = 0.0
    for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
        cross = x1 * y2 - x2 * y1
        x, y, doubled = x + (x1 + x2) * cross, y + (y1 + y2) * cross, doubled + cross
    return x / (3 * doubled), y / (3 * doubled)


def rows() -> list[tuple[str, str, int, int]]:
    """Return the seed's rows: a district, its ring, and where its name stands, as x and y in
    hundredths of a kilometre from the north-western corner, as SVG takes them."""
    with (SEEDS / "districts.csv").open(encoding="utf-8") as file:
        rings = shapes(list(csv.DictReader(file)))
    west = min(x for ring in rings.values() for x, _ in ring)
    north = max(y for ring in rings.values() for _, y in ring)
    drawn: dict[str, list[Point]] = {
        district: [(round((x - west) * 100), round((north - y) * 100)) for x, y in ring]
        for district, ring in rings.items()
    }
    return [
        (district, " ".join(f"{x},{y}" for x, y in ring), round(x_middle), round(y_middle))
        for district, ring in drawn.items()
        for x_middle, y_middle in [centre(ring)]
    ]


if __name__ == "__main__":
    with (SEEDS / "district_shapes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("district_id", "ring", "label_x", "label_y"))
        writer.writerows(rows())
