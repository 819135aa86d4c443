import { inspect } from "node:util";
import type { ColumnType, KyselyPlugin, UnknownRow } from "kysely";
import { asSealed, open, type SealContext, type Sealed } from "./envelope.ts";
import type { DataKey } from "./keys.ts";
import type { PackedRecord } from "./packed-fields.ts";
import type { Secret } from "./secret.ts";

/**
 * A `bytea` column of sealed values. Only what `seal` made can be written: text, bytes and plaintext do not
 * compile. A select returns a handle if `sealedColumns` names the column.
 */
export type SealedColumn = ColumnType<SealedHandle, Sealed, Sealed>;
export type NullableSealedColumn = ColumnType<SealedHandle | null, Sealed | null, Sealed | null>;

/**
 * A `bytea` column of packed records: only what `packRecord` made of sealed fields can be written, and only
 * once.
 */
export type RecordColumn = ColumnType<Uint8Array, PackedRecord, never>;

const masked = "[sealed]";

/** A sealed value in a row. It can be passed on and written again, and opened only for a scope. */
export class SealedHandle {
  readonly #sealed: Sealed;

  constructor(sealed: Sealed) {
    this.#sealed = sealed;
  }

  get sealed(): Sealed {
    return this.#sealed;
  }

  /** Lends the plaintext to `use` and zeroes it when `use` has ended or failed. Throws what `open` throws. */
  async open<T>(key: DataKey, context: SealContext, use: (plaintext: Secret) => T | Promise<T>): Promise<T> {
    using plaintext = open(key, context, this.#sealed);
    return await use(plaintext);
  }

  toString(): string {
    return masked;
  }

  toJSON(): string {
    return masked;
  }

  [inspect.custom](): string {
    return masked;
  }
}

/**
 * Turns the named columns of each result into handles; `null` stays `null`. Throws `EnvelopeError` for bytes
 * that are no envelope, which can only be damaged or plaintext.
 */
export function sealedColumns(names: readonly string[]): KyselyPlugin {
  return {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => ({
      ...result,
      rows: result.rows.map((row) => withHandles(row, names)),
    }),
  };
}

function withHandles(row: UnknownRow, names: readonly string[]): UnknownRow {
  const handled = { ...row };
  for (const name of names) {
    const value = row[name];
    if (value instanceof Uint8Array) handled[name] = new SealedHandle(asSealed(value));
  }
  return handled;
}
