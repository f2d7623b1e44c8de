"""The ledger: all claims measured, recorded, read again, and asked for by chapter."""

import importlib

import pytest

from mdlib.claims import CLAIMS, Ledger, ledger, recorded
from mdlib.claims.__main__ import main
from tests.support.claims import holds_as_known


def test_the_recorded_ledger_holds_every_claim():
    rows = recorded()
    assert {row.claim.key for row in rows} == set(CLAIMS)
    for row in rows:
        assert holds_as_known(row), row
    assert {row.claim.chapter for row in recorded(7)} == {7}
    assert list(recorded(13)) == list(ledger(13))
    assert recorded(13).provenance == {}  # the record that is read has its own
    told = {"preset", "command", "date", "wall_seconds", "versions", "hardware", "commit"}
    assert told <= set(rows.provenance)
    assert rows.provenance["preset"] == "paper"


def test_unknown_chapter_or_preset(toy):
    with pytest.raises(ValueError, match="chapter 99 has no claims"):
        ledger(chapter=99)
    with pytest.raises(ValueError, match="preset must be one of quick, paper; got 'fast'"):
        toy("fast")


def test_it_is_recorded_and_read_again(tmp_path, capsys):
    path = tmp_path / "ledger.json"
    assert main(["--chapter", "5", "--record", str(path)]) == 0
    assert "holds" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.json"]
    rows = Ledger.from_json(path.read_text(encoding="utf-8"), CLAIMS)
    assert list(rows) == list(ledger(chapter=5))
    assert repr(rows).endswith(rows.origin)
    assert rows.origin in rows._repr_html_()
    assert rows.provenance["command"] == f"python -m mdlib.claims --chapter 5 --record {path}"
    assert set(rows.provenance["seconds"]) == {"svm-duality", "svm-solvers"}
    assert rows.to_json() == path.read_text(encoding="utf-8")


def test_the_command_fails_when_a_claim_does(toy, capsys):
    assert main(["--chapter", "0", "--preset", "paper"]) == 1
    assert "does not hold" in capsys.readouterr().out


def test_every_theme_has_its_tests():
    """There each of its claims is broken once."""
    for module in {entered.measure.__module__ for entered in CLAIMS.values()}:
        theme = module.rpartition(".")[2]
        tests = importlib.import_module(f"tests.claims.test_{theme}")
        assert tests.BROKEN
