"use strict";
const root = document.documentElement;
root.classList.add("js");
const box = document.getElementById("q");
const sites = [...document.querySelectorAll("details.site")];
const total = sites.length;

// What is looked for, made when it is first needed: the values of the policy, not the page's own words.
let texts = null;
function haystack() {
  texts ??= sites.map((site) =>
    [
      site.dataset.v,
      ...[...site.querySelectorAll(".k")].map((one) => one.textContent),
      ...[...site.querySelectorAll(".path p")].map((one) => one.lastChild.textContent),
      ...[...site.querySelectorAll(".lanes a")].map((one) => one.textContent),
    ].join("\n").toLowerCase());
  return texts;
}

function filter() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  const all = words.length ? haystack() : null;
  sites.forEach((site, index) => {
    const matches = !all || words.every((word) => all[index].includes(word));
    found += matches;
    if (site.hidden === matches) site.hidden = !matches;
  });
  document.getElementById("shown").textContent =
    words.length ? `${found} of ${total} site${total === 1 ? "" : "s"}` : `${total} site${total === 1 ? "" : "s"}`;
  document.getElementById("nothing").hidden = found > 0;
}

// A list's rules stand once in the page; a site that is opened shows a copy of them.
function fill(site) {
  for (const place of site.querySelectorAll(".list[data-list]")) {
    const rules = document.getElementById(place.dataset.list).querySelector(".rules");
    if (rules) place.append(rules.cloneNode(true));
    place.removeAttribute("data-list");
  }
}

function reveal() {
  const there = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  const site = there?.closest("details.site");
  if (!site) return;
  site.hidden = false;
  site.open = true;
  there.scrollIntoView();
}

function heads() {
  return sites.filter((site) => !site.hidden).map((site) => site.firstElementChild);
}

function step(by) {
  const all = heads();
  const at = all.indexOf(document.activeElement);
  if (document.activeElement === box) return by > 0 ? all[0] : null;
  if (at < 0) return null;
  return at + by < 0 ? box : all[at + by];
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const active = document.activeElement;
  if (event.key === "/" && active !== box) {
    box.focus();
    box.select();
  } else if (event.key === "Escape" && box.value) {
    box.value = "";
    filter();
    box.focus();
  } else if (event.key === "Enter" && active === box) {
    const first = heads()[0];
    if (!first) return;
    first.parentElement.open = true;
    first.focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const next = step(event.key === "ArrowDown" ? 1 : -1);
    if (!next) return;
    next.focus();
  } else return;
  event.preventDefault();
}

// What is printed is whole; what was closed is closed again behind it.
let opened = [];
function expand() {
  opened = sites.filter((site) => !site.open);
  for (const site of sites) {
    fill(site);
    site.open = true;
  }
}
function restore() {
  for (const site of opened) site.open = false;
  opened = [];
}

for (const site of sites) {
  if (site.open) fill(site);
  site.addEventListener("toggle", () => site.open && fill(site));
}
if (box) {
  box.addEventListener("input", filter);
  document.addEventListener("keydown", key);
  document.getElementById("open").addEventListener("click", () => { for (const site of sites) if (!site.hidden) site.open = true; });
  document.getElementById("close").addEventListener("click", () => { for (const site of sites) site.open = false; });
  for (const button of document.querySelectorAll("button[data-q]")) {
    button.addEventListener("click", () => {
      box.value = button.dataset.q;
      filter();
      document.getElementById("sites").scrollIntoView();
      box.focus();
    });
  }
  filter(); // a browser may have kept what was typed
}
addEventListener("hashchange", reveal);
addEventListener("beforeprint", expand);
addEventListener("afterprint", restore);
reveal();
