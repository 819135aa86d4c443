import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeyholdError } from "../../src/errors.ts";
import type { KeyProvider, WrapContext, WrappedKey } from "../../src/key-encryption/key-provider.ts";

/** A provider under test, and what an operator can do to its keys. */
export type KeyProviderUnderTest = Readonly<{
  provider: KeyProvider;
  /** Puts a new key in front; answers the provider as a process sees it that starts after that. */
  rotate(): Promise<KeyProvider>;
  /** Another installation's, with a key of its own. */
  stranger: KeyProvider;
  /**
   * From now on the keys cannot be reached; answers the provider as somebody has it who does not wait long. `null` where they lie in
   * the process.
   */
  disconnect: (() => Promise<KeyProvider>) | null;
  close(): Promise<void>;
}>;

/** What every key provider must do. */
export function keyProviderContract(
  kind: KeyProvider["kind"],
  create: () => Promise<KeyProviderUnderTest>,
): void {
  describe(`the key provider ${kind}`, () => {
    let subject: KeyProviderUnderTest;
    let provider: KeyProvider;
    beforeAll(async () => {
      subject = await create();
      ({ provider } = subject);
    });
    afterAll(() => subject?.close());

    test("unwraps what it wrapped, and leaves alone what it is given", async () => {
      const dataKey = randomBytes(32);
      const before = Buffer.from(dataKey);
      const context = newContext();
      const wrapped = await provider.wrap(dataKey, context);
      expect(dataKey).toEqual(before);
      const bytes = Buffer.from(wrapped.bytes);
      expect(Buffer.from(await provider.unwrap(wrapped, context))).toEqual(before);
      expect(Buffer.from(wrapped.bytes)).toEqual(bytes);
    });

    test("says which key wrapped, by a name that tells nothing of it", async () => {
      const wrapped = await provider.wrap(randomBytes(32), newContext());
      expect(provider.kind).toBe(kind);
      expect(wrapped.kekId).toBe(provider.kekId);
      expect(wrapped.kekId.length).toBeGreaterThanOrEqual(16);
    });

    test("never wraps twice to the same bytes, and never shows the data key in them", async () => {
      const dataKey = randomBytes(32);
      const context = newContext();
      const [one, two] = [await provider.wrap(dataKey, context), await provider.wrap(dataKey, context)];
      expect(Buffer.compare(one.bytes, two.bytes)).not.toBe(0);
      const text = Buffer.from(one.bytes).toString("latin1");
      for (const form of ["latin1", "base64", "hex"] as const)
        expect(text).not.toContain(dataKey.toString(form));
    });

    test("of ten tenants' data keys, none unwraps in another's place", async () => {
      const contexts = Array.from({ length: 10 }, newContext);
      const wrapped = await Promise.all(contexts.map((context) => provider.wrap(randomBytes(32), context)));
      for (const [row, it] of wrapped.entries()) {
        for (const [column, context] of contexts.entries())
          expect(await codeOf(provider.unwrap(it, context))).toBe(
            row === column ? "opens" : "key_unavailable",
          );
      }
    });

    test("a data key is bound to its tenant and to its own id", async () => {
      const context = newContext();
      const wrapped = await provider.wrap(randomBytes(32), context);
      const elsewhere: readonly WrapContext[] = [
        { ...context, tenantId: randomUUID() },
        { ...context, dataKeyId: randomUUID() },
        { tenantId: context.dataKeyId, dataKeyId: context.tenantId },
      ];
      for (const other of elsewhere)
        expect(await codeOf(provider.unwrap(wrapped, other))).toBe("key_unavailable");
      expect(await codeOf(provider.unwrap(wrapped, context))).toBe("opens");
    });

    test("altered bytes do not unwrap", async () => {
      const context = newContext();
      const wrapped = await provider.wrap(randomBytes(32), context);
      const { bytes } = wrapped;
      const middle = Math.floor(bytes.byteLength / 2);
      const flipped = [0, middle, bytes.byteLength - 5].map((at) =>
        Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte)),
      );
      for (const other of [...flipped, bytes.subarray(0, middle), new Uint8Array(), randomBytes(40)])
        expect(await codeOf(provider.unwrap({ ...wrapped, bytes: other }, context))).toBe("key_unavailable");
      expect(await codeOf(provider.unwrap(wrapped, context))).toBe("opens");
    });

    test("a key that it does not know is missing, and is never made anew", async () => {
      const context = newContext();
      const wrapped = await provider.wrap(randomBytes(32), context);
      expect(await codeOf(provider.unwrap({ ...wrapped, kekId: "0".repeat(32) }, context))).toBe(
        "key_unavailable",
      );
    });

    test("another installation's key does not open what this one's wrapped, whatever it calls itself", async () => {
      const { stranger } = subject;
      const context = newContext();
      const wrapped = await provider.wrap(randomBytes(32), context);
      expect(stranger.kekId).not.toBe(provider.kekId);
      for (const kekId of [wrapped.kekId, stranger.kekId])
        expect(await codeOf(stranger.unwrap({ ...wrapped, kekId }, context))).toBe("key_unavailable");
    });

    test("takes no id that is not a UUID", async () => {
      const context = { ...newContext(), tenantId: "tenant" };
      await expect(provider.wrap(randomBytes(32), context)).rejects.toThrow(TypeError);
    });

    test("after a rotation the new key wraps, and the old one still opens what it wrapped", async () => {
      const context = newContext();
      const before = await provider.wrap(randomBytes(32), context);
      const rotated = await subject.rotate();
      const after = await rotated.wrap(randomBytes(32), context);
      expect(after.kekId).toBe(rotated.kekId);
      expect(after.kekId).not.toBe(before.kekId);
      for (const wrapped of [before, after])
        expect(await codeOf(rotated.unwrap(wrapped, context))).toBe("opens");
      const mixed: WrappedKey = { kekId: after.kekId, bytes: before.bytes };
      expect(await codeOf(rotated.unwrap(mixed, context))).toBe("key_unavailable");
    });

    test("keys that cannot be reached are unavailable, whichever way they are needed", async () => {
      const context = newContext();
      const wrapped = await provider.wrap(randomBytes(32), context);
      if (subject.disconnect === null) return expect(kind).toBe("file");
      const lost = await subject.disconnect();
      expect(await codeOf(lost.wrap(randomBytes(32), context))).toBe("key_unavailable");
      expect(await codeOf(lost.unwrap(wrapped, context))).toBe("key_unavailable");
    });
  });
}

function newContext(): WrapContext {
  return { tenantId: randomUUID(), dataKeyId: randomUUID() };
}

async function codeOf(opening: Promise<unknown>): Promise<string> {
  return opening.then(
    () => "opens",
    (error: unknown) => (error instanceof KeyholdError ? error.code : String(error)),
  );
}
