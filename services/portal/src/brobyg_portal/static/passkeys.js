// Passkeys: the browser makes one or shows one, and the form carries what it says.
"use strict";

const kinds = globalThis.PublicKeyCredential;
const able = kinds && kinds.parseCreationOptionsFromJSON && kinds.prototype.toJSON;

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !able;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const failed = document.getElementById("passkey-failed");
    const options = JSON.parse(form.dataset.options);
    button.disabled = true;
    failed.hidden = true;
    try {
      let made;
      if (form.dataset.passkey === "add") {
        options.user.name = options.user.displayName = form.dataset.name;
        made = await navigator.credentials.create({
          publicKey: kinds.parseCreationOptionsFromJSON(options),
        });
      } else {
        made = await navigator.credentials.get({
          publicKey: kinds.parseRequestOptionsFromJSON(options),
        });
      }
      form.elements.credential.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch {
      failed.hidden = false;
      button.disabled = false;
      button.focus();
    }
  });
}
for (const words of document.querySelectorAll("[data-unable]")) {
  words.hidden = Boolean(able);
}
