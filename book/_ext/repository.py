"""Point the Colab and repository buttons at the repository that the site is built from.

_config.yml names the project's own repository. A build in a fork's workflow, or in a clone of a
fork, should link to the fork: its owner edits nothing.
"""

import os
import re
import subprocess
from pathlib import Path

# Colab opens notebooks from GitHub alone, so an origin anywhere else (a local path, another
# host) leaves the configured repository in place.
GITHUB_ORIGIN = re.compile(
    r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?"
)


def resolve(url, branch, environ, origin=None):
    """Return the (url, branch) to link to.

    In a GitHub workflow the environment decides; elsewhere the address of the git remote
    ``origin``; otherwise the configured ``url`` and ``branch`` stay.
    """
    if environ.get("GITHUB_REPOSITORY"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        # A pull request's ref ("12/merge") is no branch that a link could name.
        on_branch = environ.get("GITHUB_REF_TYPE") == "branch" and not environ.get(
            "GITHUB_HEAD_REF"
        )
        return (
            f"{server}/{environ['GITHUB_REPOSITORY']}",
            (on_branch and environ.get("GITHUB_REF_NAME")) or branch,
        )
    match = GITHUB_ORIGIN.fullmatch(origin or "")
    return (f"https://github.com/{match[1]}" if match else url), branch


def origin_of(folder):
    """Return the address of the git remote ``origin`` of a folder, or None."""
    try:
        found = subprocess.run(
            ["git", "remote", "get-url", "origin"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # no git on this machine
        return None
    return found.stdout.strip() or None


def set_repository(app, config):
    options = config.html_theme_options
    options["repository_url"], options["repository_branch"] = resolve(
        options["repository_url"],
        options["repository_branch"],
        os.environ,
        origin_of(Path(app.srcdir)),
    )


def setup(app):
    app.connect("config-inited", set_repository)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
