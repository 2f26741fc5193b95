// Fetches the document of all routes and shows it. Where it needs a key, asks for one first; the key stays in this page.
(() => {
  "use strict";
  const form = document.getElementById("ask");
  const field = document.getElementById("key");
  const said = document.getElementById("said");
  const place = document.getElementById("docs");

  const show = {
    swagger(spec, key) {
      const ui = SwaggerUIBundle({
        spec: spec,
        domNode: place,
        deepLinking: true,
        validatorUrl: null,
        presets: [SwaggerUIBundle.presets.apis],
        layout: "BaseLayout",
        onComplete: () => key && ui.preauthorizeApiKey("apiKey", key),
      });
    },
    redoc(spec) {
      Redoc.init(spec, { hideDownloadButtons: true }, place);
    },
  };

  const load = async (key) => {
    said.textContent = "";
    let answer;
    try {
      answer = await fetch("openapi.json", { cache: "no-store", headers: key ? { "X-API-Key": key } : {} });
    } catch {
      said.textContent = "The gateway does not answer.";
      form.hidden = false;
      return;
    }
    if (answer.ok) {
      form.hidden = true;
      show[document.body.dataset.shows](await answer.json(), key);
      return;
    }
    form.hidden = false;
    field.focus();
    if (answer.status === 403) said.textContent = "That key may not read this: it needs the scope read or inference.";
    else if (answer.status !== 401) said.textContent = `The gateway answered ${answer.status}.`;
    else if (key) said.textContent = "That key is not known here, or has expired.";
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // What a header cannot hold is no key.
    if (/^[!-~]+$/.test(field.value.trim())) load(field.value.trim());
    else said.textContent = "That is no key.";
  });
  if ("needsKey" in document.body.dataset) {
    form.hidden = false;
    field.focus();
  } else load("");
})();
