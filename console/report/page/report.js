"use strict";
// The page's own script: views by the part of the address after #, tables, extension pages, the dependency graph.
// Text from the data reaches the page only through textContent. The script never parses text as HTML.
(() => {
  const PAGE_ROWS = 100;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const index = JSON.parse(byId("data-index").textContent);
  const position = new Map(index.extensions.map((extension, number) => [extension.id, number]));
  const number = (value) => value.toLocaleString("en");
  const seconds = (value) => (value === null ? "–" : value < 9.95 ? `${value.toFixed(2)} s` : `${value.toFixed(1)} s`);
  const compare = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many || one + "s"}`;

  function make(space, tag, attributes, children) {
    const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }
  const h = (tag, attributes, ...children) => make(null, tag, attributes, children);
  const s = (tag, attributes, ...children) => make(SVG, tag, attributes, children);

  // --- data ---------------------------------------------------------------------------------------------------------

  const unpacked = new Map();
  function unpack(id) {
    if (!unpacked.has(id)) {
      const bytes = Uint8Array.from(atob(byId(id).textContent), (character) => character.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      unpacked.set(id, new Response(stream).json());
    }
    return unpacked.get(id);
  }

  const dependents = new Map(index.extensions.map((extension) => [extension.id, []]));
  for (const extension of index.extensions)
    for (const name of extension.dependencies) if (dependents.has(name)) dependents.get(name).push(extension.id);

  const address = (id) => `#/extension/${encodeURIComponent(id)}`;
  const extensionLink = (id) =>
    position.has(id) ? h("a", { href: address(id) }, id) : h("span", { title: "not in this data set" }, id);
  const chips = (ids) => h("ul", { class: "chips" }, ids.map((id) => h("li", {}, extensionLink(id))));

  // --- tables -------------------------------------------------------------------------------------------------------

  // A table that can be searched, sorted and paged through. Only the rows of one page are elements.
  class DataTable {
    // columns: {key, label, value(row) to sort by, cell(row) to show, number, first: sorts descending first, wide}
    constructor({ name, noun, columns, rows, text, sort, filters = [], placeholder, pageRows = PAGE_ROWS }) {
      Object.assign(this, { name, noun, columns, rows, sort, filters, pageRows });
      this.haystacks = rows.map((row) => text(row).toLowerCase());
      this.page = 0;
      const id = name.toLowerCase().replace(/\W+/g, "-");
      this.search = h("input", { type: "search", id: `search-${id}`, placeholder, autocomplete: "off", spellcheck: "false" });
      this.search.addEventListener("input", () => this.update(true));
      this.selects = filters.map((filter) =>
        h("select", { "aria-label": filter.label, onchange: () => this.update(true) }, h("option", { value: "" }, "all"),
          filter.options.map(([value, label]) => h("option", { value }, label))));
      const directions = columns.filter((column) => column.value).flatMap((column) => [
        [`${column.key} 1`, `${column.label} ${column.number ? "0→9" : "A→Z"}`],
        [`${column.key} -1`, `${column.label} ${column.number ? "9→0" : "Z→A"}`]]);
      this.sorting = h("select", { "aria-label": "Sort by", onchange: () => this.sortBy(...this.sorting.value.split(" ")) },
        directions.map(([value, label]) => h("option", { value }, label)));
      this.heads = columns.map((column) =>
        h("th", { scope: "col", role: "columnheader", class: column.number ? "number" : null, "aria-sort": column.value ? "none" : null },
          column.value ? h("button", { type: "button", onclick: () => this.toggle(column) }, column.label) : column.label));
      this.body = h("tbody", { role: "rowgroup" });
      this.status = h("p", { role: "status" });
      this.previous = h("button", { type: "button", onclick: () => this.turn(-1) }, "Previous");
      this.next = h("button", { type: "button", onclick: () => this.turn(1) }, "Next");
      this.nothing = h("p", { class: "empty", hidden: true }, "Nothing matches.");
      this.box = h("div", { class: "table-box", tabindex: "-1" },
        h("table", { class: "data", role: "table" }, h("caption", { class: "hidden" }, name),
          h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, this.heads)), this.body), this.nothing);
      this.element = h("div", {},
        h("div", { class: "controls", role: "search", "aria-label": name },
          h("label", { class: "search" }, "Search", this.search),
          filters.map((filter, i) => h("label", {}, filter.label, this.selects[i])),
          h("label", { class: "sorting" }, "Sort by", this.sorting)),
        h("div", { class: "pages" }, this.status, h("span", {}, this.previous, this.next)),
        this.box);
      this.update(true);
    }

    toggle(column) {
      const [key, direction] = this.sort;
      this.sortBy(column.key, key === column.key ? -direction : column.first ? -1 : 1);
    }

    sortBy(key, direction) {
      this.sort = [key, Number(direction)];
      this.update(true);
    }

    turn(by) {
      this.page += by;
      this.draw();
      this.box.scrollIntoView({ block: "nearest" });
      this.box.focus({ preventScroll: true });
    }

    filter(label, value) {
      const at = this.filters.findIndex((filter) => filter.label === label);
      const known = [...this.selects[at].options].some((option) => option.value === value);
      this.selects[at].value = known ? value : "";
      this.update(true);
    }

    update(rewind) {
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = this.filters.map((filter, i) => [filter.value, this.selects[i].value]).filter(([, value]) => value);
      this.found = this.rows.filter((row, i) =>
        words.every((word) => this.haystacks[i].includes(word)) && wanted.every(([of, value]) => of(row) === value));
      const [key, direction] = this.sort;
      const column = this.columns.find((candidate) => candidate.key === key);
      const order = column.number
        ? (a, b) => (a === null ? -1 : a) - (b === null ? -1 : b)
        : (a, b) => compare(a, b);
      const keyed = this.found.map((row, i) => [column.value(row), i, row]);
      keyed.sort((a, b) => direction * order(a[0], b[0]) || a[1] - b[1]);
      this.found = keyed.map((entry) => entry[2]);
      this.sorting.value = this.sort.join(" ");
      this.heads.forEach((head, i) => {
        if (!this.columns[i].value) return;
        const sorted = this.columns[i].key === key;
        head.setAttribute("aria-sort", !sorted ? "none" : direction > 0 ? "ascending" : "descending");
      });
      if (rewind) this.page = 0;
      this.draw();
    }

    draw() {
      const first = this.page * this.pageRows;
      const shown = this.found.slice(first, first + this.pageRows);
      const of = this.found.length === this.rows.length ? plural(this.rows.length, this.noun)
        : `${number(this.found.length)} found in ${plural(this.rows.length, this.noun)}`;
      const range = shown.length < this.found.length ? `${number(first + 1)}–${number(first + shown.length)} of ` : "";
      this.status.textContent = range + of;
      this.previous.disabled = first === 0;
      this.next.disabled = first + this.pageRows >= this.found.length;
      this.previous.parentElement.hidden = this.found.length <= this.pageRows;
      this.nothing.hidden = this.found.length > 0;
      this.body.replaceChildren(...shown.map((row) => h("tr", { role: "row" }, this.columns.map((column, i) => {
        const content = column.cell(row);
        if (i === 0) return h("th", { scope: "row", role: "rowheader" }, content);
        const style = [column.number && "number", column.wide && "wide", (content === "" || content === null) && "blank"];
        return h("td", { role: "cell", "data-label": column.label, class: style.filter(Boolean).join(" ") || null },
          typeof content === "string" ? h("span", {}, content) : content);
      }))));
    }
  }

  const count = (key, label, first = true) => ({
    key, label, number: true, first, value: (row) => row[key], cell: (row) => number(row[key]) });

  // --- views --------------------------------------------------------------------------------------------------------

  const tables = {};

  function showExtensions() {
    if (tables.extensions) return;
    const categories = [...new Set(index.extensions.map((extension) => extension.category))].filter(Boolean).sort(compare);
    tables.extensions = new DataTable({
      name: "Extensions",
      noun: "extension",
      placeholder: "id, title, description, keyword",
      rows: index.extensions,
      sort: ["id", 1],
      text: (row) => [row.id, row.title, row.description, row.category, ...row.keywords].join("\n"),
      filters: categories.length > 1
        ? [{ label: "Category", options: categories.map((name) => [name, name]), value: (row) => row.category }] : [],
      columns: [
        { key: "id", label: "Extension", value: (row) => row.id, cell: (row) => [
          h("a", { class: "id", href: address(row.id) }, row.id),
          (row.title || row.description) && h("span", { class: "muted clamp" }, [row.title, row.description].filter(Boolean).join(". "))] },
        { key: "version", label: "Version", value: (row) => row.version, cell: (row) => row.version },
        { key: "category", label: "Category", value: (row) => row.category, cell: (row) => row.category },
        count("classes", "Classes"),
        count("methods", "Methods"),
        count("examples", "Examples"),
        count("settings", "Settings"),
        { key: "dependencies", label: "Needs", number: true, first: true, value: (row) => row.dependencies.length,
          cell: (row) => number(row.dependencies.length) },
        { key: "dependents", label: "Used by", number: true, first: true, value: (row) => dependents.get(row.id).length,
          cell: (row) => number(dependents.get(row.id).length) },
        count("warnings", "Warnings"),
        { key: "seconds", label: "Time", number: true, first: true, value: (row) => row.seconds, cell: (row) => seconds(row.seconds) },
      ],
    });
    byId("catalogue").replaceChildren(index.extensions.length ? tables.extensions.element
      : h("p", { class: "empty" }, "No extension has been chosen yet."));
  }

  const places = (row) => {
    if (!row.found_in.length) return "";
    if (row.found_in.length === 1) return h("code", {}, row.found_in[0]);
    return h("details", {}, h("summary", {}, plural(row.found_in.length, "place")),
      row.found_in.map((place) => h("div", {}, h("code", {}, place))));
  };
  const settingColumns = (withOwners) => [
    { key: "path", label: "Setting", value: (row) => row.path, cell: (row) => [
      h("code", { class: "id" }, row.path), row.documentation && h("span", { class: "muted clamp" }, row.documentation)] },
    { key: "type", label: "Type", value: (row) => row.type, cell: (row) => row.type },
    { key: "default", label: "Default", value: (row) => row.default, cell: (row) => row.default && h("code", { class: "clamp" }, row.default) },
    withOwners && { key: "owners", label: "Extensions", value: (row) => row.owners.join(), cell: (row) => {
      const shown = row.owners.slice(0, 3).map((owner, i) => [i ? ", " : "", position.has(owner) ? h("a", { href: address(owner) }, owner) : owner]);
      return row.owners.length ? h("span", {}, shown, row.owners.length > 3 ? ` and ${row.owners.length - 3} more` : "") : "";
    } },
    { key: "found_in", label: "Found in", cell: places },
    count("uses", "Uses"),
  ].filter(Boolean);
  const settingText = (row) => [row.path, row.documentation, row.default, ...row.owners].join("\n");

  async function showSettings(prefix) {
    if (!tables.settings) {
      const rows = await unpack("data-settings");
      const prefixes = new Map();
      for (const row of rows) prefixes.set(row.prefix, (prefixes.get(row.prefix) || 0) + 1);
      const types = [...new Set(rows.map((row) => row.type))].sort(compare);
      const sorted = [...prefixes].sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
      tables.settings = new DataTable({
        name: "Settings",
        noun: "setting",
        placeholder: "path, documentation, default, extension",
        rows,
        sort: ["path", 1],
        text: settingText,
        filters: [
          { label: "Prefix", options: sorted.map(([name, n]) => [name, `/${name} (${number(n)})`]), value: (row) => row.prefix },
          { label: "Type", options: types.map((name) => [name, name]), value: (row) => row.type },
        ],
        columns: settingColumns(true),
      });
      byId("settings").replaceChildren(rows.length ? tables.settings.element
        : h("p", { class: "empty" }, "No settings have been collected yet."));
    }
    if (prefix) tables.settings.filter("Prefix", prefix);
  }

  const ports = (row) => h("details", {}, h("summary", {}, plural(row.ports.length, "attribute")),
    row.ports.map((port) => h("div", {}, h("code", {}, `${port.name}: ${port.type}`),
      port.default ? [" = ", h("code", {}, port.default)] : null, port.optional ? " (optional)" : null,
      port.description ? h("span", { class: "muted" }, ` ${port.description}`) : null)));

  async function showNodes() {
    if (tables.nodes) return;
    const rows = await unpack("data-nodes");
    const choices = (values) => [...new Set(values)].sort(compare).map((name) => [name, name]);
    tables.nodes = new DataTable({
      name: "OmniGraph nodes",
      noun: "node",
      placeholder: "name, description, category, attribute",
      rows,
      sort: ["name", 1],
      text: (row) => [row.name, row.title, row.description, ...row.categories, ...row.ports.map((port) => port.name)].join("\n"),
      filters: [
        { label: "Language", options: choices(rows.map((row) => row.language)), value: (row) => row.language },
        { label: "Extension", options: choices(rows.map((row) => row.extension)), value: (row) => row.extension },
      ],
      columns: [
        { key: "name", label: "Node", value: (row) => row.name, cell: (row) => [
          h("code", { class: "id" }, row.name),
          (row.title || row.description) && h("span", { class: "muted clamp" }, [row.title, row.description].filter(Boolean).join(". "))] },
        { key: "version", label: "Version", number: true, value: (row) => row.version, cell: (row) => number(row.version) },
        { key: "language", label: "Language", value: (row) => row.language, cell: (row) => row.language },
        { key: "categories", label: "Categories", value: (row) => row.categories.join(), cell: (row) => row.categories.join(", ") },
        { key: "extension", label: "Extension", value: (row) => row.extension, cell: (row) =>
          position.has(row.extension) ? h("a", { href: address(row.extension) }, row.extension) : row.extension },
        { key: "ports", label: "Attributes", value: (row) => row.ports.length, cell: (row) => row.ports.length ? ports(row) : "" },
      ],
    });
    byId("nodes").replaceChildren(tables.nodes.element);
  }

  function showWarnings(owner) {
    if (!tables.warnings) {
      const kinds = [...new Set(index.warnings.map((row) => row.kind))].sort(compare);
      tables.warnings = new DataTable({
        name: "Warnings",
        noun: "warning",
        placeholder: "message, file, extension",
        rows: index.warnings,
        sort: ["extension", 1],
        text: (row) => [row.kind, row.extension, row.file, row.message, row.stage].join("\n"),
        filters: [{ label: "Kind", options: kinds.map((kind) => [kind, kind]), value: (row) => row.kind }],
        columns: warningColumns(true),
      });
      byId("warnings").replaceChildren(index.warnings.length ? tables.warnings.element
        : h("p", { class: "empty" }, "There are no warnings."));
    }
    if (owner) {
      tables.warnings.search.value = owner;
      tables.warnings.update(true);
    }
  }

  const warningColumns = (withOwner) => [
    { key: "file", label: "Place", value: (row) => `${row.file}\u0000${row.line}`, cell: (row) =>
      h("code", { class: "id" }, row.file ? row.file + (row.line ? `:${row.line}` : "") : "–") },
    withOwner && { key: "extension", label: "Extension", value: (row) => row.extension,
      cell: (row) => row.extension && (position.has(row.extension) ? h("a", { href: address(row.extension) }, row.extension) : row.extension) },
    { key: "message", label: "Message", value: (row) => row.message, wide: true, cell: (row) => row.message },
    { key: "kind", label: "Kind", value: (row) => row.kind, cell: (row) => row.kind },
    { key: "stage", label: "Stage", value: (row) => row.stage, cell: (row) => row.stage },
  ].filter(Boolean);

  // --- an extension's page ------------------------------------------------------------------------------------------

  // A closed part whose content is made when it is first opened: some extensions have thousands of methods.
  function block(summary, build) {
    const element = h("details", { class: "block" }, h("summary", {}, summary));
    element.addEventListener("toggle", () => { if (element.open && element.children.length === 1) element.append(build()); });
    return element;
  }
  const doc = (text) => text && h("p", { class: "doc" }, text);
  const methodElement = (method) =>
    h("div", { class: "method" }, h("code", {}, method.signature || method.name), doc(method.docstring));

  function filtered(label, entries, textOf, elementOf) {
    const list = h("div", {});
    const texts = entries.map((entry) => textOf(entry).toLowerCase());
    const status = h("p", { role: "status", class: "muted small" });
    let limit = 50;
    const more = h("button", { type: "button", onclick: () => { limit += 200; draw(); } }, "Show more");
    const search = h("input", { type: "search", autocomplete: "off", spellcheck: "false", oninput: () => { limit = 50; draw(); } });
    function draw() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = entries.filter((_, i) => words.every((word) => texts[i].includes(word)));
      list.replaceChildren(...found.slice(0, limit).map(elementOf));
      status.textContent = found.length > limit ? `${number(limit)} of ${number(found.length)} shown` : words.length ? `${number(found.length)} found` : "";
      more.hidden = found.length <= limit;
    }
    draw();
    return [entries.length > 8 && h("div", { class: "controls" }, h("label", { class: "search" }, label, search)), list, status, more];
  }

  async function showExtension(id) {
    const heading = byId("h-extension");
    const place = byId("extension");
    heading.textContent = id;
    place.replaceChildren();
    if (!position.has(id)) {
      place.append(h("p", { class: "lead" }, "This extension is not in the data set. ", h("a", { href: "#/extensions" }, "All extensions")));
      return;
    }
    const at = position.get(id);
    const extension = index.extensions[at];
    const [detail, allSettings] = await Promise.all([unpack(`data-extension-${at}`), unpack("data-settings")]);
    if (heading.textContent !== id) return; // another one was opened meanwhile
    const settings = allSettings.filter((row) => row.owners.includes(id));
    const warnings = index.warnings.filter((row) => row.extension === id);
    const users = dependents.get(id);
    const apiCount = detail.classes.length + detail.functions.length;
    const api = [
      ...detail.classes.map((described) => ({ described, text: [described.name, described.docstring, ...(described.methods || []).map((m) => m.name)].join("\n") })),
      ...detail.functions.map((method) => ({ method, text: [method.name, method.full_name, method.docstring].join("\n") })),
    ];
    const apiElement = ({ described, method }) => method
      ? block(h("code", {}, method.signature || method.name), () => h("div", {}, h("p", { class: "muted small" }, h("code", {}, method.full_name || "")), doc(method.docstring || "No docstring.")))
      : block([h("code", {}, `class ${described.name}`), " ", h("span", { class: "muted small" }, plural((described.methods || []).length, "method"))], () =>
        h("div", {}, h("p", { class: "muted small" }, h("code", {}, described.full_name || described.name),
          described.parent_classes ? [" of ", h("code", {}, described.parent_classes.join(", "))] : null),
          doc(described.docstring), (described.methods || []).map(methodElement)));
    const exampleElement = (example) => block(
      [h("code", {}, example.full_name), " ", h("span", { class: "muted small" },
        `${example.file_path}:${example.start_line} · complexity ${example.complexity_score}`)],
      () => h("div", {}, example.reasons ? h("p", { class: "muted small" }, example.reasons.join(", ")) : null,
        h("pre", { tabindex: "0", role: "region", "aria-label": "Source code" }, example.source_code || "")));
    place.append(
      h("p", { class: "lead" }, h("a", { href: "#/extensions" }, "← Extensions"), extension.title ? [" · ", h("strong", {}, extension.title)] : "",
        extension.description ? ` · ${extension.description}` : ""),
      h("ul", { class: "facts" }, [
        `Version ${extension.version || "unknown"}`, extension.category, plural(extension.modules, "module"), plural(extension.classes, "class", "classes"),
        plural(extension.methods, "method"), `API docs of ${plural(extension.api_tokens, "token")}`,
        extension.seconds === null ? null : `${seconds(extension.seconds)} of work`, ...extension.keywords.map((word) => `#${word}`),
      ].filter(Boolean).map((fact) => h("li", {}, fact))),
      h("h2", {}, "Dependencies"),
      h("div", { class: "neighbours" },
        h("div", {}, h("h3", {}, `Used by ${number(users.length)}`), users.length ? chips(users) : h("span", { class: "muted" }, "none in this data set")),
        h("div", { class: "here" }, id),
        h("div", {}, h("h3", {}, `Needs ${number(extension.dependencies.length)}`), extension.dependencies.length ? chips(extension.dependencies) : h("span", { class: "muted" }, "nothing"),
          extension.optional.length ? [h("h3", {}, `Optional ${number(extension.optional.length)}`), chips(extension.optional)] : null)),
      h("h2", {}, `Public API (${number(apiCount)})`),
      ...(apiCount ? filtered("Search the API", api, (entry) => entry.text, apiElement) : [h("p", { class: "muted" }, "No public Python API.")]).filter(Boolean),
      h("h2", {}, `Code examples (${number(detail.examples.length)})`),
      ...(detail.examples.length ? filtered("Search the examples", detail.examples, (example) => `${example.full_name}\n${example.source_code}`, exampleElement)
        : [h("p", { class: "muted" }, "None was selected.")]).filter(Boolean),
      h("h2", {}, `Settings (${number(settings.length)})`),
      settings.length ? new DataTable({ name: `Settings of ${id}`, noun: "setting", rows: settings, sort: ["path", 1], text: settingText, columns: settingColumns(false), pageRows: 50 }).element
        : h("p", { class: "muted" }, "None was found."),
    );
    if (warnings.length)
      place.append(h("h2", {}, `Warnings (${number(warnings.length)})`),
        new DataTable({ name: `Warnings of ${id}`, noun: "warning", rows: warnings, sort: ["file", 1], text: (row) => row.file + row.message, columns: warningColumns(false), pageRows: 50 }).element);
    if (detail.readme)
      place.append(h("h2", {}, "Readme"), h("pre", { class: "readme", tabindex: "0", role: "region", "aria-label": "Readme" }, detail.readme));
  }

  // --- the dependency graph -----------------------------------------------------------------------------------------

  let graph = false;
  function showDependencies() {
    if (graph) return;
    const names = Object.keys(index.graph);
    const place = byId("dependencies");
    if (!names.length) {
      graph = true;
      place.append(h("p", { class: "empty" }, "No extension has been chosen yet."));
      return;
    }
    const rows = Math.max(...names.map((name) => index.graph[name][1])) + 1;
    const COLUMN = 270, ROW = rows > 12 ? 24 : 54, MARGIN = 20;
    const shortName = (name) => (name.length > 34 ? `${name.slice(0, 11)}…${name.slice(-22)}` : name);
    // Neighbouring columns are a third of a row apart, so that lines which pass a column do not run through its names.
    const at = new Map(names.map((name) => {
      const [column, row] = index.graph[name];
      return [name, [MARGIN + column * COLUMN, MARGIN + (row + (column % 3) / 3) * ROW]];
    }));
    const width = Math.max(...[...at.values()].map(([x]) => x)) + COLUMN;
    const height = Math.max(...[...at.values()].map(([, y]) => y)) + MARGIN + 4;
    const line = (from, to) => {
      const [x, y1] = at.get(from), [x2, y2] = at.get(to);
      const x1 = x + 14 + shortName(from).length * 6.6; // about where its name ends
      const bend = Math.max(30, Math.abs(x2 - x1) / 2);
      return `M${x1.toFixed(0)} ${y1.toFixed(0)}C${(x1 + bend).toFixed(0)} ${y1.toFixed(0)} ${(x2 - bend).toFixed(0)} ${y2.toFixed(0)} ${x2} ${y2.toFixed(0)}`;
    };
    const needs = (name) => (position.has(name) ? index.extensions[position.get(name)].dependencies : []);
    const users = new Map(names.map((name) => [name, []]));
    let edgeCount = 0;
    const all = [];
    for (const name of names) for (const other of needs(name)) { users.get(other).push(name); all.push(line(name, other)); edgeCount += 1; }
    const lit = s("path", { class: "edges lit" }), litIn = s("path", { class: "edges lit in" });
    const nodes = new Map();
    const box = h("div", { class: "graph-box" });
    const status = h("p", { role: "status", class: "muted" }, `${plural(index.extensions.length, "extension")}, ${plural(names.length - index.extensions.length, "dependency", "dependencies")} outside the data set, ${plural(edgeCount, "edge")}.`);
    function light(name) {
      for (const node of box.querySelectorAll(".node.lit")) node.classList.remove("lit");
      box.classList.toggle("busy", Boolean(name));
      lit.setAttribute("d", name ? needs(name).map((other) => line(name, other)).join("") : "");
      litIn.setAttribute("d", name ? users.get(name).map((other) => line(other, name)).join("") : "");
      if (name) for (const near of [name, ...needs(name), ...users.get(name)]) nodes.get(near).classList.add("lit");
    }
    let current = names[0];
    for (const name of names) {
      const [x, y] = at.get(name);
      const inside = position.has(name);
      const node = s("a", {
        class: inside ? "node" : "node outside", transform: `translate(${x} ${y})`, tabindex: name === current ? "0" : "-1",
        href: inside ? address(name) : null, role: "link", "aria-disabled": inside ? null : "true",
        "aria-label": `${name}, needs ${needs(name).length}, used by ${users.get(name).length}${inside ? "" : ", not in this data set"}`,
        onmouseenter: () => light(name), onmouseleave: () => light(null), onfocus: () => { move(name, false); light(name); }, onblur: () => light(null),
      }, s("title", {}, name), s("circle", { r: 6 }), s("text", { x: 11, y: 4 }, shortName(name)));
      nodes.set(name, node);
    }
    function move(name, focus) {
      nodes.get(current).setAttribute("tabindex", "-1");
      current = name;
      nodes.get(name).setAttribute("tabindex", "0");
      if (focus) nodes.get(name).focus();
    }
    const order = [...names].sort((a, b) => index.graph[a][0] - index.graph[b][0] || index.graph[a][1] - index.graph[b][1]);
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Dependency graph. The arrow keys move from extension to extension." },
      s("path", { class: edgeCount > 500 ? "edges many" : "edges", d: all.join("") }), lit, litIn, [...nodes.values()]);
    svg.addEventListener("keydown", (event) => {
      const column = (name, by) => {
        const target = index.graph[name][0] + by;
        return order.find((other) => index.graph[other][0] === target && index.graph[other][1] >= index.graph[name][1])
          || order.findLast((other) => index.graph[other][0] === target);
      };
      const i = order.indexOf(current);
      const next = { ArrowDown: order[i + 1], ArrowUp: order[i - 1], ArrowRight: column(current, 1), ArrowLeft: column(current, -1), Home: order[0], End: order.at(-1) }[event.key];
      if (next) { event.preventDefault(); move(next, true); }
    });
    let zoom = 1;
    function scale(to) {
      zoom = Math.min(2, Math.max(0.05, to));
      svg.setAttribute("width", width * zoom);
      svg.setAttribute("height", height * zoom);
    }
    const fit = () => scale(Math.min(1, (box.clientWidth - 2) / width));
    const choice = h("input", { type: "search", list: "graph-names", autocomplete: "off", spellcheck: "false", onchange: () => {
      const name = choice.value.trim();
      light(nodes.has(name) ? name : null);
      if (!nodes.has(name)) return;
      move(name, false);
      const [x, y] = at.get(name);
      if (zoom < 0.6) scale(1);
      box.scrollTo({ left: x * zoom - box.clientWidth / 2, top: y * zoom - box.clientHeight / 2 });
      status.textContent = `${name} needs ${number(needs(name).length)}, is used by ${number(users.get(name).length)}.`;
    } });
    box.append(svg);
    place.append(
      h("p", { class: "lead" }, "An extension is to the left of its dependencies. Point at an extension, or focus it with the keyboard, to see its lines. Open it for its page."),
      h("div", { class: "controls" }, h("label", { class: "search" }, "Find", choice, h("datalist", { id: "graph-names" }, names.map((name) => h("option", { value: name })))),
        h("button", { type: "button", onclick: () => scale(zoom * 1.3), "aria-label": "Zoom in" }, "+"),
        h("button", { type: "button", onclick: () => scale(zoom / 1.3), "aria-label": "Zoom out" }, "−"),
        h("button", { type: "button", onclick: fit }, "Fit"), h("button", { type: "button", onclick: () => scale(1) }, "Full size")),
      h("p", { class: "legend" }, h("span", {}, h("i", {}), "in this data set"), h("span", {}, h("i", { class: "outside" }), "outside it"),
        h("span", {}, h("i", { class: "dependency" }), "needs"), h("span", {}, h("i", { class: "dependent" }), "used by")),
      status, box);
    graph = true;
    scale(Math.min(1, Math.max(0.7, (box.clientWidth - 2) / width))); // names can be read; the box scrolls
  }

  // --- which view is shown ------------------------------------------------------------------------------------------

  const views = [...document.querySelectorAll("[data-view]")];
  const links = [...document.querySelectorAll("nav a")];
  const title = document.title;
  const show = { extensions: showExtensions, extension: showExtension, dependencies: showDependencies, settings: showSettings, nodes: showNodes, warnings: showWarnings };

  async function route(first) {
    if (location.hash && !location.hash.startsWith("#/")) return; // the link that skips to the content
    const [name, ...rest] = location.hash.slice(2).split("/").map((part) => {
      try { return decodeURIComponent(part); } catch { return part; }
    });
    const view = views.find((candidate) => candidate.dataset.view === name) || views[0];
    for (const candidate of views) candidate.hidden = candidate !== view;
    const current = view.dataset.view === "extension" ? "extensions" : view.dataset.view;
    for (const link of links) {
      if (link.hash.slice(2) === current) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ inline: "nearest", block: "nearest", behavior: "instant" });
      } else link.removeAttribute("aria-current");
    }
    const shown = (show[view.dataset.view] || (() => null))(rest.join("/"));
    const heading = view.querySelector("h1");
    document.title = view === views[0] ? title : `${heading.textContent} · ${title}`;
    if (first !== true) {
      window.scrollTo({ top: 0, behavior: "instant" });
      heading.focus({ preventScroll: true });
    }
    view.setAttribute("aria-busy", "true");
    await shown;
    view.removeAttribute("aria-busy");
  }

  const themes = ["system", "light", "dark"];
  const theme = byId("theme");
  let chosen = "system";
  try { chosen = localStorage.getItem("kit-report-theme") || "system"; } catch { /* a page opened from disk may have no storage */ }
  function dress() {
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    theme.textContent = `Theme: ${chosen}`;
  }
  theme.hidden = false;
  theme.addEventListener("click", () => {
    chosen = themes[(themes.indexOf(chosen) + 1) % themes.length];
    try { localStorage.setItem("kit-report-theme", chosen); } catch { /* as above */ }
    dress();
  });
  dress();
  window.addEventListener("hashchange", route);
  route(true);
})();
