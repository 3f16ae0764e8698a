"""SQL as tokens with their positions, so that parts of a statement can be replaced and the rest of
the text stays unchanged."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIECES = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<string>[eE]?'(?:[^'\\]|''|\\.)*')
    | (?P<dollars>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<symbol>::|[^\s\w])
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    kind: str
    """string, dollars, quoted, number, word or symbol."""
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The text of an unquoted word or symbol in lower case; empty for other tokens."""
        return self.text.lower() if self.kind in ("word", "symbol") else ""

    @property
    def name(self) -> str:
        """The name, in lower case: Redshift folds quoted names too."""
        return self.text.strip('"').lower()

    @property
    def value(self) -> str:
        """The content of a string."""
        if self.kind == "dollars":
            return self.text.split("$", 2)[2].rsplit("$", 2)[0]
        return self.text[self.text.index("'") + 1 : -1].replace("''", "'")


def tokens_of(sql: str) -> list[Token]:
    return [
        Token(str(piece.lastgroup), piece[0], *piece.span())
        for piece in _PIECES.finditer(sql)
        if not piece["blank"]
    ]


def statements_of(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each statement, without its semicolon."""
    statement: list[Token] = []
    for token in tokens:
        if token.word == ";":
            if statement:
                yield statement
            statement = []
        else:
            statement.append(token)
    if statement:
        yield statement


def closing(tokens: list[Token], opening: int) -> int:
    """Return the index of the bracket that closes the one at `opening`. Raise ValueError."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].word, 0)
        if depth == 0:
            return index
    raise ValueError("a bracket is not closed")


def items_of(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield the parts between the commas outside of brackets."""
    item: list[Token] = []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if token.word == "," and depth == 0:
            yield item
            item = []
        else:
            item.append(token)
    yield item


def words_at(tokens: list[Token], index: int, *words: str) -> bool:
    """Return whether the words stand at `index`."""
    return [token.word for token in tokens[index : index + len(words)]] == list(words)
