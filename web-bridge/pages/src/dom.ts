export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no #${id}`);
  return found as T;
}

export function show(id: string, visible: boolean): void {
  element(id).hidden = !visible;
}
/** Shows a text, or hides its place where there is none. Untouched when nothing changed: a live region would speak again. */
export function say(id: string, text: string | undefined): void {
  const place = element(id);
  if (place.textContent !== (text ?? "")) place.textContent = text ?? "";
  place.hidden = text === undefined;
}
