import { strToU8, Zip, ZipPassThrough } from "fflate";

/** `report.pdf` → `report.pdf.xades.xml`; two files of one name stay two, and no name leads out of the archive's folder. */
export function signatureNames(files: readonly string[]): string[] {
  const taken = new Set<string>();
  return files.map((file) => {
    const plain = file.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").replace(/^\.+/, "_") || "_";
    for (let copy = 1; ; copy += 1) {
      const name = `${copy === 1 ? plain : `${plain} (${copy})`}.xades.xml`;
      if (!taken.has(name.toLowerCase())) {
        taken.add(name.toLowerCase());
        return name;
      }
    }
  });
}

/** One ZIP of texts, stored without compression: nothing is kept twice in memory, and no worker is needed (the page's policy has none). */
export function archive(files: Iterable<readonly [name: string, text: string]>): Blob {
  const chunks: BlobPart[] = [];
  let failure: Error | undefined;
  const zip = new Zip((error, chunk) => {
    if (error !== null) failure ??= error;
    else chunks.push(chunk as Uint8Array<ArrayBuffer>);
  });
  for (const [name, text] of files) {
    const entry = new ZipPassThrough(name);
    zip.add(entry);
    entry.push(strToU8(text), true);
  }
  zip.end();
  if (failure !== undefined) throw failure;
  return new Blob(chunks, { type: "application/zip" });
}
