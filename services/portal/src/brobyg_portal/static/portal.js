// What pages do better with JavaScript. Without it each of these is a link, a form or a whole page.
"use strict";

addEventListener("click", (event) => {
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (plain && dialog && dialog.showModal) {
    event.preventDefault();
    dialog.showModal();
  }
  if (event.target.closest("[data-print]")) {
    print();
  }
});

// A toast goes when nobody has needed it for its time.
function end(toast) {
  if (toast.matches(":hover, :focus-within")) {
    setTimeout(end, 1000, toast);
  } else {
    toast.remove();
  }
}

// A live part that can't be fetched says why; the next one that comes replaces these words.
function late(event) {
  const out = event.detail.ctx?.response?.status === 401;
  for (const words of document.querySelectorAll(out ? ".live .signed-out" : ".live .late")) {
    words.hidden = false;
  }
}
addEventListener("htmx:error", late);
addEventListener("htmx:response:error", late);

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
}
for (const toast of document.querySelectorAll(".toast")) {
  setTimeout(end, toast.dataset.seconds * 1000, toast);
  // Screen readers say what changes, not what was there when the page came.
  const words = toast.querySelector("[role=status]");
  setTimeout(() => (words.textContent = words.textContent), 500);
  // A reload does not say again what was done.
  const address = new URL(location.href);
  address.searchParams.delete("done");
  history.replaceState(null, "", address);
}
