/** Of a subject in RFC 4514 or OpenSSL writing; the whole subject where it has none. */
export function commonName(subject: string): string {
  return /(?:^|[,/+]\s*)CN\s*=\s*("[^"]+"|(?:\\.|[^,+/])+)/.exec(subject)?.[1]?.replace(/^"|"$|\\(?=.)/g, "").trim() ?? subject;
}
