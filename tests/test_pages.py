"""README and docs: links lead somewhere, pages say what they are for, and what they name is there."""

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from headgan.benchmarks.cli import COMMANDS as BENCH_COMMANDS
from headgan.benchmarks.report_command import BEGIN, END
from headgan.models.cli import COMMANDS
from headgan.receiver.cli import ReceiveOptions
from headgan.sender.cli import SendOptions

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
CALL = ROOT / "docs" / "call.md"


def links(page: Path) -> list[str]:
    """What a page links, without other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    return [link for link in found if not link.startswith("http")]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT) and target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_rows_of_a_table_have_as_many_cells_as_its_head(page: Path) -> None:
    cells = 0
    for line in without_code(page.read_text()).splitlines():
        here = line.count("|") if line.startswith("|") else 0
        assert not here or here == (cells or here), line
        cells = here


def test_the_readme_links_every_page() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    assert [page.name for page in PAGES if page not in linked] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_first_what_it_is_for(page: Path) -> None:
    assert re.match(r"# .+\n\nThis page \w+ .+", page.read_text())


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "performance.md"], ids=lambda page: page.name)
def test_the_table_of_this_machine_is_where_the_benchmark_writes_it(page: Path) -> None:
    text = page.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    assert "| `headgan-bench " in text[text.index(BEGIN) : text.index(END)]


def test_the_readme_is_short() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < 200 and max(map(len, lines)) < 300


def test_the_page_of_training_names_every_configuration() -> None:
    text = (ROOT / "docs" / "training.md").read_text()
    configs = [path.name for path in (ROOT / "models" / "train" / "configs").glob("*.toml")]
    assert configs and [name for name in configs if f"`{name}`" not in text] == []


def options_of(options: type[Any]) -> set[str]:
    return {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(options)}


def test_the_page_of_calls_names_every_option_at_its_command() -> None:
    rows = [line.split("|") for line in CALL.read_text().splitlines() if line.startswith("| [")]
    sender, receiver = (
        {name for row in rows for name in re.findall(r"`(--[a-z-]+)", row[column])} for column in (2, 3)
    )
    assert sender == options_of(SendOptions)
    assert receiver == options_of(ReceiveOptions)


def test_the_readme_offers_no_option_that_is_not_there() -> None:
    text = README.read_text()
    table = text[text.index("| option |") : text.index("[docs/call.md](docs/call.md) explains")]
    named = set(re.findall(r"`(--[a-z-]+)", table))
    assert len(named) >= 8 and named <= options_of(SendOptions) | options_of(ReceiveOptions)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_commands_that_pages_name_are_there(page: Path) -> None:
    text = page.read_text()
    for program, commands in (("headgan", COMMANDS), ("headgan-bench", BENCH_COMMANDS)):
        there = {command.words[0] for command in commands}
        assert set(re.findall(rf"`{program} ([a-z][a-z-]+)", text)) <= there
