import { digestFile, type Item } from "signet-sdk";

export interface Entry {
  id: string;
  name: string;
  size: number;
  file: File;
}

/** The protocol's limit for a name. */
const NAME_BYTES = 256;

/** Cut in the middle, at whole letters: the beginning and the extension are what people know a file by. */
export function cutName(name: string, limit = NAME_BYTES): string {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  if (name === "") return "?";
  if (bytes(name) <= limit) return name;
  const letters = [...name];
  const tail = letters.splice(-Math.min(12, letters.length));
  while (letters.length > 0 && bytes(`${letters.join("")}…${tail.join("")}`) > limit) letters.pop();
  return `${letters.join("")}…${tail.join("")}`;
}

/** Files that a person dropped or chose; folders are passed over, and a file that is there already is not taken twice. */
export function add(entries: readonly Entry[], files: Iterable<File>): Entry[] {
  const all = [...entries];
  const known = new Set(all.map(({ file }) => `${file.name}\n${file.size}\n${file.lastModified}`));
  let last = Math.max(0, ...all.map(({ id }) => Number(id)));
  for (const file of files) {
    const key = `${file.name}\n${file.size}\n${file.lastModified}`;
    if (known.has(key)) continue;
    known.add(key);
    last += 1;
    all.push({ id: String(last), name: file.name, size: file.size, file });
  }
  return all;
}

export function dropped(transfer: DataTransfer): File[] {
  const files: File[] = [];
  for (const item of transfer.items) {
    if (item.kind !== "file" || item.webkitGetAsEntry?.()?.isDirectory === true) continue;
    const file = item.getAsFile();
    if (file !== null) files.push(file);
  }
  return files;
}

/** One file in memory at a time. */
export async function* hashed(entries: readonly Entry[], prepared: (count: number, name: string) => void): AsyncGenerator<Item> {
  for (const [index, { id, name, file }] of entries.entries()) {
    prepared(index, name);
    yield { id, name: cutName(name), digest: await digestFile(file) };
  }
  prepared(entries.length, "");
}
