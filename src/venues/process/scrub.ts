const removed = "[removed]";
const longestMessage = 500;
// Signatures: 64 and more hexadecimal characters, or 43 and more of base64. A UUID has 36.
const signature = /[A-Za-z0-9+/_-]{40,}={0,2}/g;
const urlQuery = /(https?:\/\/[^\s?"']*)\?[^\s"']*/g;

/**
 * Takes out of a text what must not leave a venue process: the credential's own values as they are and as
 * URLs and JSON write them, queries of URLs, and anything as long as a signature.
 */
export function createScrubber(values: Iterable<string>) {
  const forms = [...values].flatMap(formsOf);
  // Longest first, so that a value which contains another one leaves no remainder.
  forms.sort((a, b) => b.length - a.length);
  // A result is made of prices and ids, and a passphrase of a few digits is in them by chance.
  const apart = forms.filter((form) => !/^\d{1,11}$/.test(form));
  return {
    text: (text: string): string =>
      without(text, forms).replace(urlQuery, "$1").replace(signature, removed).slice(0, longestMessage),
    value: (value: unknown): unknown =>
      value === undefined ? null : JSON.parse(JSON.stringify(value, mask)),
  };

  function mask(_key: string, value: unknown): unknown {
    return typeof value === "string" ? without(value, apart) : value;
  }
}

function without(text: string, forms: readonly string[]): string {
  return forms.reduce((rest, form) => rest.replaceAll(form, removed), text);
}

/** Values that are as short as ordinary words are left: masking `1` would ruin every answer. */
function formsOf(value: string): string[] {
  if (value.length < 6) return [];
  const json = JSON.stringify(value).slice(1, -1);
  const base64 = Buffer.from(value).toString("base64");
  return [...new Set([value, json, encodeURIComponent(value), base64])];
}
