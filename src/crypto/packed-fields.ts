import { beginsWith } from "./bytes.ts";
import { asSealed, EnvelopeError, isFieldName, type Sealed } from "./envelope.ts";

// The layout is described in FORMAT.md; change the two together, and only with a new version number.
const prefix = Buffer.from("KHRC\x01", "latin1"); // magic, version 1

declare const brand: unique symbol;

/** The sealed fields of one credential as one byte string. Only `packRecord` makes it. */
export type PackedRecord = Uint8Array & { readonly [brand]: "record" };

/**
 * Packs the sealed fields of one credential into one byte string, for stores that keep a single column.
 * Fields are ordered by name, so equal maps give equal bytes. Throws `TypeError` for a map or a name that
 * cannot be packed.
 */
export function packRecord(fields: ReadonlyMap<string, Sealed>): PackedRecord {
  if (fields.size === 0 || fields.size > 255) throw new TypeError("a record has 1 to 255 fields");
  const parts: Uint8Array[] = [prefix, Uint8Array.of(fields.size)];
  for (const [name, sealed] of [...fields].toSorted(byName)) {
    if (!isFieldName(name)) throw new TypeError("a record's field must be a lower-case name");
    parts.push(Uint8Array.of(name.length), Buffer.from(name, "latin1"), uint32(sealed.byteLength), sealed);
  }
  return asPacked(Buffer.concat(parts));
}

/**
 * Unpacks what `packRecord` made, and nothing else: it refuses fields in another order, a repeated name and a
 * byte too many. The values are views of `bytes`. Throws `EnvelopeError`.
 */
export function unpackRecord(bytes: Uint8Array): ReadonlyMap<string, Sealed> {
  const reader = new Reader(asPacked(bytes), prefix.byteLength);
  const count = reader.takeNumber(1);
  const fields = new Map<string, Sealed>();
  let previous = "";
  for (let index = 0; index < count; index += 1) {
    const name = reader.takeName(reader.takeNumber(1));
    if (!isFieldName(name) || name <= previous) throw new EnvelopeError();
    fields.set(name, asSealed(reader.take(reader.takeNumber(4))));
    previous = name;
  }
  if (count === 0 || !reader.atEnd) throw new EnvelopeError();
  return fields;
}

function asPacked(bytes: Uint8Array): PackedRecord {
  if (!isPacked(bytes)) throw new EnvelopeError();
  return bytes;
}

function isPacked(bytes: Uint8Array): bytes is PackedRecord {
  return beginsWith(bytes, prefix);
}

class Reader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  take(length: number): Uint8Array {
    const start = this.#pass(length);
    return this.#bytes.subarray(start, this.#at);
  }

  takeNumber(length: number): number {
    let number = 0;
    for (let at = this.#pass(length); at < this.#at; at += 1) number = number * 256 + (this.#bytes[at] ?? 0);
    return number;
  }

  takeName(length: number): string {
    let name = "";
    for (let at = this.#pass(length); at < this.#at; at += 1)
      name += String.fromCharCode(this.#bytes[at] ?? 0);
    return name;
  }

  /** Where the next `length` bytes begin. Throws `EnvelopeError` when there are fewer. */
  #pass(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.byteLength - start) throw new EnvelopeError();
    this.#at += length;
    return start;
  }
}

function byName([a]: readonly [string, Sealed], [b]: readonly [string, Sealed]): number {
  return a < b ? -1 : 1;
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
