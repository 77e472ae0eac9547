import type { Return } from "./data.js";

/** The form's fields: exactly what the portal said, untouched. */
export function fieldsOf(back: Return): [name: string, value: string][] {
  return Object.entries(back.fields);
}

/** A way back leads to a site, never to a script. */
export function leadsToSite(url: string): boolean {
  return /^https?:\/\//i.test(url);
}

export function fill(form: HTMLFormElement, place: HTMLElement, back: Return): void {
  form.setAttribute("action", back.url); // not form.action: a field may have that name
  place.replaceChildren(...fieldsOf(back).map(([name, value]) => {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    return field;
  }));
}
