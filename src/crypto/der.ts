/** One element of DER (X.690): its tag and its content. */
export type Element = Readonly<{ tag: number; content: Uint8Array }>;

export const tags = { integer: 0x02, octets: 0x04, oid: 0x06, sequence: 0x30 } as const;

/**
 * The elements of `bytes`, one level deep; `undefined` unless they are DER from end to end. A length is compared with what is there
 * before it is used, so the work is linear in the input. The contents are views of `bytes`.
 */
export function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const header = headerAt(bytes, at);
    if (header === undefined || header.end > bytes.byteLength) return undefined;
    elements.push({ tag: header.tag, content: bytes.subarray(header.begin, header.end) });
    at = header.end;
  }
  return elements;
}

/** The elements of the one sequence that `bytes` hold. */
export function sequenceOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements = elementsOf(bytes);
  const [only] = elements ?? [];
  return elements?.length === 1 && only?.tag === tags.sequence ? elementsOf(only.content) : undefined;
}

/** The magnitude of a positive INTEGER; `undefined` for zero, a negative number, or more bytes than it needs. */
export function positiveOf(element: Element | undefined): Uint8Array | undefined {
  if (element?.tag !== tags.integer) return undefined;
  const { content } = element;
  const [first = 0x80, second = 0] = content;
  if (first >= 0x80) return undefined;
  if (first > 0) return content;
  return second >= 0x80 ? content.subarray(1) : undefined;
}

/** The number of bits of a magnitude that begins with no zero byte. */
export function bitsOf(magnitude: Uint8Array): number {
  return magnitude.byteLength * 8 - (Math.clz32(magnitude[0] ?? 0) - 24);
}

type Header = Readonly<{ tag: number; begin: number; end: number }>;

/** A longer length than two bytes hold is needed by no key, and 0x80 alone is the indefinite form of BER. */
function headerAt(bytes: Uint8Array, at: number): Header | undefined {
  const [tag, first, second, third] = bytes.subarray(at, at + 4);
  if (tag === undefined || first === undefined) return undefined;
  if (first < 0x80) return { tag, begin: at + 2, end: at + 2 + first };
  if (first === 0x81 && second !== undefined && second >= 0x80) {
    return { tag, begin: at + 3, end: at + 3 + second };
  }
  if (first !== 0x82 || second === undefined || second === 0 || third === undefined) return undefined;
  return { tag, begin: at + 4, end: at + 4 + second * 256 + third };
}
