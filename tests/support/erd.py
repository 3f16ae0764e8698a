"""Draw the star from the keys in its contracts: `python tests/support/erd.py` after `dbt parse`.

The picture is part of the overview page of the docs site, whose file this rewrites.
"""

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
OVERVIEW = PROJECT / "dbt_project" / "models" / "_overview.md"
PICTURE = re.compile(r"(?<=\(data:image/svg\+xml;base64,)[^)]*(?=\))")

LINE, TITLE, WIDTH, GAP = 13, 18, 190, 12
COLUMNS = {"left": 50, "facts": 370, "right": 690}
"""Where the columns of boxes begin."""


@dataclass(frozen=True)
class Table:
    """A table of the star with its primary key, and its foreign keys as column and parent."""

    name: str
    primary_key: tuple[str, ...]
    foreign_keys: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> list[str]:
        """The columns of its keys, the primary key first."""
        foreign = [column for column, _ in self.foreign_keys if column not in self.primary_key]
        return [*(f"{column} (key)" for column in self.primary_key), *foreign]

    @property
    def height(self) -> int:
        return TITLE + LINE * len(self.lines) + 6


def tables(manifest: dict[str, Any]) -> list[Table]:
    """Return the tables of the star that have a foreign key or are the parent of one."""
    found = [
        table_of(node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "star"
    ]
    parents = {parent for table in found for _, parent in table.foreign_keys}
    linked = [table for table in found if table.foreign_keys or table.name in parents]
    return sorted(linked, key=lambda table: table.name)


def table_of(node: dict[str, Any]) -> Table:
    keys = [
        (constraint.get("columns") or [column], constraint)
        for column, constraints in [
            *((None, [each]) for each in node["constraints"]),
            *((name, each["constraints"]) for name, each in node["columns"].items()),
        ]
        for constraint in constraints
    ]
    primary = next((columns for columns, key in keys if key["type"] == "primary_key"), [])
    foreign = [
        # A parsed manifest has ref('dim_date'), a compiled one the relation.
        (column, re.findall(r"\w+", key["to"])[-1])
        for columns, key in keys
        if key["type"] == "foreign_key"
        for column in columns
    ]
    return Table(node["name"], tuple(primary), tuple(sorted(foreign)))


def draw(found: list[Table]) -> str:
    """Return the picture: facts in the middle, dimensions at the sides."""
    facts = [table for table in found if table.name.startswith("fct_")]
    others = [table for table in found if not table.name.startswith("fct_")]
    sides: dict[str, list[Table]] = {"left": [], "facts": facts, "right": []}
    for table in others:
        shorter = min(("left", "right"), key=lambda side: sum(t.height + GAP for t in sides[side]))
        sides[shorter].append(table)
    places: dict[str, tuple[int, int]] = {}
    total = max(sum(table.height + GAP for table in side) for side in sides.values())
    for side, members in sides.items():
        spare = total - sum(table.height + GAP for table in members)
        y = GAP
        for table in members:
            places[table.name] = (COLUMNS[side], y)
            y += table.height + GAP + spare // max(len(members), 1)
    edges = [
        edge(places[table.name], table.height, places[parent])
        for table in found
        for parent in sorted({parent for _, parent in table.foreign_keys})
        if parent in places
    ]
    boxes = [box(table, *places[table.name]) for table in found]
    width, height = COLUMNS["right"] + WIDTH + 10, total + 2 * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="sans-serif" role="img">'
        f"<title>Tables of the star with their keys</title>"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{''.join(edges)}{''.join(boxes)}</svg>"
    )


def edge(child: tuple[int, int], height: int, parent: tuple[int, int]) -> str:
    """Return the line from a table to one that it refers to."""
    start_x = child[0] if parent[0] <= child[0] else child[0] + WIDTH
    end_x = parent[0] if parent[0] > child[0] else parent[0] + WIDTH
    if child[0] == parent[0]:
        end_x = start_x
    start_y, end_y = child[1] + height // 2, parent[1] + TITLE // 2
    # A curve between two tables of one column leaves and enters at the left.
    leave, enter = (-40, -40) if child[0] == parent[0] else ((end_x - start_x) // 2,) * 2
    arrive = end_x + enter if child[0] == parent[0] else end_x - enter
    return (
        f'<path d="M{start_x},{start_y} C{start_x + leave},{start_y} {arrive},{end_y}'
        f' {end_x},{end_y}" fill="none" stroke="#8aa0b8"/>'
    )


def box(table: Table, x: int, y: int) -> str:
    fill = "#fdf1dc" if table.name.startswith("fct_") else "#e3ecf7"
    lines = "".join(
        f'<text x="{x + 8}" y="{y + TITLE + LINE * (number + 1) - 3}" font-size="10">'
        f"{escape(line)}</text>"
        for number, line in enumerate(table.lines)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{table.height}" rx="3" fill="{fill}"'
        f' stroke="#5b6b7c"/><text x="{x + 8}" y="{y + 13}" font-size="11"'
        f' font-weight="bold">{escape(table.name)}</text>{lines}'
    )


def picture(manifest: dict[str, Any]) -> str:
    """Return the picture as the overview has it."""
    return b64encode(draw(tables(manifest)).encode()).decode()


if __name__ == "__main__":
    manifest = json.loads((PROJECT / "target" / "manifest.json").read_bytes())
    text = OVERVIEW.read_text(encoding="utf-8")
    OVERVIEW.write_text(PICTURE.sub(picture(manifest), text), encoding="utf-8")
