"""The paper's numbers stand beside ours, each with what our seeds say of it."""

from mdlib.claims import beside_paper
from mdlib.runs.record import recorded
from mdlib.studies.text.published import PIVOT_SCORE, TEST_ACCURACY
from tests.support.records import (
    as_claimed,
    images_as_claimed,
    images_behind,
    images_reversed,
    images_unsure,
    reversed_order,
    unsure,
)


def by_row(read_text, read_images):
    """What the table beside the paper says, by its first column."""

    def read(name):
        return (read_images if name in ("mnist", "cifar") else read_text)(name)

    header, *lines = beside_paper(read).text.splitlines()
    said = header.index("verdict")
    return {line.split("  ")[0]: line[said:] for line in lines}


def test_the_papers_numbers_stand_beside_ours():
    rows = by_row(as_claimed, images_as_claimed)
    assert {said for row, said in rows.items() if " over " in row} == {"so here"}
    reverse = by_row(reversed_order, images_reversed)
    assert {said for row, said in reverse.items() if " over " in row} == {"the reverse here"}
    doubt = by_row(unsure, images_unsure)
    assert {said for row, said in doubt.items() if "reviews" in row and " over " in row} == {
        "not told apart"
    }
    for read, verdict in {
        images_as_claimed: "level",
        images_behind: "behind",
        images_unsure: "cannot tell",
    }.items():
        parity = [said for row, said in by_row(as_claimed, read).items() if "against Adam" in row]
        assert parity == [verdict] * 4


def test_every_number_that_the_paper_reports_is_there():
    text = beside_paper(recorded).text
    for row in TEST_ACCURACY.values():
        assert all(f"{mean:.2f} ± {spread:.2f}" in text for mean, spread in row.values())
    assert all(f"{score:.3f}" in text for score in PIVOT_SCORE.values())
