import { inspect } from "node:util";

const masked = "[secret]";

/**
 * Plaintext that a scope owns. The bytes are in an ArrayBuffer of their own, off V8's moving heap, so that
 * `fill(0)` leaves no copy: the garbage collector moves typed arrays of up to 64 bytes. A Secret prints as
 * `[secret]`, and `using secret = …` zeroes it at the end of the scope.
 */
export class Secret implements Disposable {
  #bytes: Uint8Array<ArrayBuffer> | null;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  /** Moves `source` into a new Secret and zeroes the source. */
  static take(source: Uint8Array): Secret {
    const bytes = new Uint8Array(new ArrayBuffer(source.byteLength));
    bytes.set(source);
    source.fill(0);
    return new Secret(bytes);
  }

  /**
   * Makes a Secret of bytes that have no other owner and are off V8's heap already, as the output of a cipher
   * is. Nothing is copied.
   */
  static own(bytes: Uint8Array<ArrayBuffer>): Secret {
    return new Secret(bytes);
  }

  /**
   * For text that arrived as a JavaScript string, which itself cannot be zeroed. Throws `TypeError` for text
   * with a lone surrogate: UTF-8 cannot express it, and encoding would silently change the secret.
   */
  static fromText(text: string): Secret {
    if (!text.isWellFormed()) throw new TypeError("the text of a secret must be well-formed Unicode");
    return Secret.take(new TextEncoder().encode(text));
  }

  /** A new Secret of the plaintexts of the parts, in order; the parts stay as they are. */
  static join(parts: readonly Secret[]): Secret {
    const bytes = new Uint8Array(new ArrayBuffer(parts.reduce((sum, part) => sum + part.byteLength, 0)));
    let at = 0;
    for (const part of parts) {
      bytes.set(part.#open(), at);
      at += part.byteLength;
    }
    return new Secret(bytes);
  }

  get byteLength(): number {
    return this.#open().byteLength;
  }

  /** Lends the bytes to `use` for the length of its call; they must not be kept. Throws after disposal. */
  expose<T>(use: (bytes: Uint8Array<ArrayBuffer>) => T): T {
    return use(this.#open());
  }

  /** A second owner of the same plaintext, in a buffer of its own. */
  copy(): Secret {
    const bytes = new Uint8Array(new ArrayBuffer(this.byteLength));
    bytes.set(this.#open());
    return new Secret(bytes);
  }

  get disposed(): boolean {
    return this.#bytes === null;
  }

  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = null;
  }

  toString(): string {
    return masked;
  }

  toJSON(): string {
    return masked;
  }

  [Symbol.toPrimitive](): string {
    return masked;
  }

  [inspect.custom](): string {
    return masked;
  }

  #open(): Uint8Array<ArrayBuffer> {
    if (this.#bytes === null) throw new TypeError("the secret was disposed");
    return this.#bytes;
  }
}
