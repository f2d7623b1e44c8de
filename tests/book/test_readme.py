"""The example of the README runs and prints what the README says it prints."""

from isolated import readme_example


def test_the_example_prints_what_it_says(capsys):
    code, printed = readme_example()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed
    assert len(code.splitlines()) == 12
