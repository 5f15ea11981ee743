// Swagger UI with the schema of this host. The keys that a person enters live as long as the tab, in its session
// storage: Swagger's own persistAuthorization would keep them in the browser for ever.
"use strict";

const KEPT = "notes.authorized";
const token = document.querySelector("[name=csrfmiddlewaretoken]").value;

const keep = (change, system) => (payload) => {
  change(payload);
  sessionStorage.setItem(KEPT, JSON.stringify(system.authSelectors.authorized()));
};

const ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: document.getElementById("swagger-ui").dataset.schema,
  tryItOutEnabled: true,
  // Its colours are too faint on its dark ground.
  syntaxHighlight: { activated: false },
  plugins: [
    { statePlugins: { auth: { wrapActions: { authorize: keep, logout: keep } } } },
    // There is one server, and Swagger gives its list no label.
    { components: { ServersContainer: () => null } },
  ],
  requestInterceptor: (request) => {
    if (!["GET", undefined].includes(request.method)) request.headers["X-CSRFToken"] = token;
    return request;
  },
  onComplete: () => {
    const authorized = sessionStorage.getItem(KEPT);
    if (authorized) ui.authActions.restoreAuthorization({ authorized: JSON.parse(authorized) });
  },
});

// Swagger gives its lists to choose from no label that a screen reader could say.
const name = (select) => {
  select.ariaLabel = select.closest("[data-param-name]")?.dataset.paramName ?? "Choice";
};
new MutationObserver(() => document.querySelectorAll("select:not([aria-label])").forEach(name)).observe(
  document.getElementById("swagger-ui"),
  { childList: true, subtree: true },
);

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();
