"""The addresses that readers click or install from, checked without a network."""

import json
import re
import subprocess
import sys
import tomllib

import pytest

import as_script
import audit
import mdlib
import refresh
import repository

CONFIG = refresh.config()["repository"]
URL, BRANCH = CONFIG["url"], CONFIG["branch"]


def test_every_page_of_the_contents_is_tracked():
    missing = [
        page
        for page in refresh.pages()
        if str(page.relative_to(refresh.ROOT)) not in audit.tracked()
    ]
    assert missing == []


def test_pages_are_named_from_the_root_of_the_repository():
    assert CONFIG["path_to_book"] == ""


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff", "pyproject.toml", "book/intro.md"])
def test_the_repository_has_one_address(name):
    text = (refresh.ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"https://github\.com/[\w.-]+/[\w-]+", text)
    assert set(named) <= {URL}


def test_the_version_is_the_same_everywhere():
    citation = (refresh.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {mdlib.__version__}\n" in citation
    assert refresh.version() == mdlib.__version__
    project = tomllib.loads((refresh.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert f"{URL}@v{mdlib.__version__}" in refresh.setup_source()


FORK = "https://github.com/reader/fork"


@pytest.mark.parametrize(
    ("environ", "origin", "expected"),
    [
        ({}, None, (URL, BRANCH)),
        ({}, "/srv/git/book.git", (URL, BRANCH)),
        ({}, "../book", (URL, BRANCH)),
        ({}, "file:///srv/git/book.git", (URL, BRANCH)),
        ({}, "https://gitlab.com/reader/fork.git", (URL, BRANCH)),
        ({}, "https://github.com/reader/fork", (FORK, BRANCH)),
        ({}, "https://github.com/reader/fork.git", (FORK, BRANCH)),
        ({}, "https://token@github.com/reader/fork.git/", (FORK, BRANCH)),
        ({}, "git@github.com:reader/fork.git", (FORK, BRANCH)),
        ({}, "ssh://git@github.com/reader/fork.git", (FORK, BRANCH)),
        ({"GITHUB_REPOSITORY": "reader/fork"}, "/srv/git", (FORK, BRANCH)),
        (
            {
                "GITHUB_REPOSITORY": "reader/fork",
                "GITHUB_REF_TYPE": "branch",
                "GITHUB_REF_NAME": "edit",
            },
            None,
            (FORK, "edit"),
        ),
        (
            {
                "GITHUB_REPOSITORY": "reader/fork",
                "GITHUB_REF_TYPE": "tag",
                "GITHUB_REF_NAME": "v1",
            },
            None,
            (FORK, BRANCH),
        ),
        (
            {
                "GITHUB_REPOSITORY": "reader/fork",
                "GITHUB_REF_TYPE": "branch",
                "GITHUB_REF_NAME": "7/merge",
                "GITHUB_HEAD_REF": "edit",
            },
            None,
            (FORK, BRANCH),
        ),
        (
            {"GITHUB_REPOSITORY": "a/b", "GITHUB_SERVER_URL": "https://github.example.com"},
            None,
            ("https://github.example.com/a/b", BRANCH),
        ),
    ],
)
def test_the_repository_that_buttons_point_at(environ, origin, expected):
    assert repository.resolve(URL, BRANCH, environ, origin) == expected


def test_no_origin_outside_a_repository(tmp_path):
    assert repository.origin_of(tmp_path) is None


def run_as_script(path, folder):
    return subprocess.run(
        [sys.executable, as_script.__file__, path], cwd=folder, capture_output=True, text=True
    )


def test_a_notebook_runs_as_a_plain_script(tmp_path):
    cells = ["try:\n    x = 1\nexcept ImportError:\n    %pip install x", "print(x + 1)"]
    path = tmp_path / "plain.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": c} for c in cells]}))
    done = run_as_script(path, tmp_path)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


@pytest.mark.parametrize("source", ["%pip install x", "1 / 0"])
def test_a_script_that_fails_says_where(tmp_path, source):
    path = tmp_path / "broken.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))
    done = run_as_script(path, tmp_path)
    assert done.returncode != 0
    assert "broken.ipynb, cell 0" in done.stderr
