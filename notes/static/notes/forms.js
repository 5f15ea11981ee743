// Sends the forms that write by their own methods. If one cannot be sent, all that was typed stays where it is.
document.addEventListener("submit", async (event) => {
  const form = event.target, { method } = form.dataset;
  if (!method) return;
  event.preventDefault();
  event.submitter.disabled = true;
  const headers = { Accept: "text/html", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
  const raw = form.elements._content;
  if (raw) headers["Content-Type"] = form.elements._content_type.value;
  let answer, text;
  try {
    answer = await fetch(form.action, { method, headers, body: raw ? raw.value : new FormData(form) });
    text = await answer.text();
  } catch {
    return refuse(form, event.submitter, "The server does not answer. Nothing that you typed is lost; try again.");
  }
  // The browser may come back to this page as it is now.
  event.submitter.disabled = false;
  if (answer.redirected) return location.assign(answer.url);
  if (!answer.headers.get("Content-Type").startsWith("text/html")) {
    return refuse(form, event.submitter, JSON.parse(text).detail);
  }
  const page = new DOMParser().parseFromString(text, "text/html"), main = page.querySelector("main");
  if (raw && !answer.ok) return refuse(form, event.submitter, main.querySelector("[role=alert]").innerText);
  document.title = page.title;
  document.querySelector("main").replaceWith(main);
  scrollTo(0, 0);
  main.querySelector("[role=alert]")?.focus();
});

function refuse(form, button, detail) {
  const alert = form.querySelector("[role=alert]") ?? document.createElement("p");
  alert.className = "refused";
  alert.role = "alert";
  alert.textContent = detail;
  form.prepend(alert);
  button.disabled = false;
}
