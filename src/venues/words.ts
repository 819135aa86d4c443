const longest = 200;
/** Of a page: what it has to say stands at its beginning. */
const pageBytes = 20_000;
/** No word of a language is longer; a key, a signature or a line of a PEM is. */
const longestWord = 40;

/**
 * What a venue says in an answer, for a person: the texts of its JSON without their names, or a page without its markup; at most 200
 * characters. Sentences with a URL are left out, because gateways repeat the request there, with its key and its signature.
 */
export function wordsOf(body: string): string {
  const words = textsOf(parsed(body)).flatMap(sentencesOf).join(" ").split(" ");
  let text = "";
  // Cut between words, so that what is to be taken out of a message can be found there whole.
  for (const word of words.filter(({ length }) => length <= longestWord)) {
    if (text.length + word.length >= longest) return `${text} …`;
    text = text === "" ? word : `${text} ${word}`;
  }
  return text;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body.slice(0, pageBytes).replaceAll(/<(script|style)\b[^]*?<\/\1>|<[^>]*>/gi, " ");
  }
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function sentencesOf(text: string): readonly string[] {
  const plain = text.replaceAll(/\s+/g, " ").trim();
  const isPlain = (sentence: string) => sentence !== "" && !/https?(?::|&#)|\S=\S/i.test(sentence);
  return plain.split(/(?<=[.!?])\s/).filter(isPlain);
}
