// A box that scrolls sideways must be reachable from the keyboard. The theme sees to code and
// outputs; tables in the text are ours.
function reach() {
  for (const box of document.querySelectorAll(".pst-scrollable-table-container")) {
    box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  }
}
addEventListener("load", reach);
addEventListener("resize", reach);
