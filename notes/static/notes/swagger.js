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
  deepLinking: true,
  tryItOutEnabled: true,
  plugins: [{ statePlugins: { auth: { wrapActions: { authorize: keep, logout: keep } } } }],
  requestInterceptor: (request) => {
    if (!["GET", undefined].includes(request.method)) request.headers["X-CSRFToken"] = token;
    return request;
  },
  onComplete: () => {
    const authorized = sessionStorage.getItem(KEPT);
    if (authorized) ui.authActions.restoreAuthorization({ authorized: JSON.parse(authorized) });
  },
});

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();
