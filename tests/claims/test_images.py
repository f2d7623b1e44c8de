"""Vision transformers: claims of chapter 15."""

from mdlib.claims import images as theme
from tests.support.claims import asked_of
from tests.support.records import images_as_claimed, images_behind, images_reversed, images_unsure

BROKEN = {
    "images-parity": (
        {"read": images_as_claimed},
        {"behind": {"read": images_behind}, "seeds disagree": {"read": images_unsure}},
    ),
    "images-sparsity": ({"read": images_as_claimed}, {"reversed": {"read": images_reversed}}),
    "images-pruning": ({"read": images_as_claimed}, {"reversed": {"read": images_reversed}}),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)
