"""The example of the README runs and prints what the README says it prints."""

import re

import refresh


def test_the_example_prints_what_it_says(capsys):
    text = (refresh.ROOT / "README.md").read_text(encoding="utf-8")
    ((code, printed),) = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", text, re.M | re.S
    )
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed
    assert len(code.splitlines()) == 12
