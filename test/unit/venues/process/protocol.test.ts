import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createRecipient, sealFields } from "../../../../src/venues/process/protocol.ts";
import { fieldNames } from "../../../../src/venues/venue.ts";

const canary = "canary-5f1d0c7a";

describe("fields on their way to a venue process", () => {
  test("arrive as they were, whatever their names and lengths", () => {
    const recipient = createRecipient();
    const texts = fieldNames.map((name, index) => [name, "ü€😀x".repeat(index)] as const);
    const fields = new Map(texts.map(([name, text]) => [name, Secret.fromText(text)]));
    expect([...recipient.open(sealFields(fields, recipient.publicKey))]).toEqual(texts);
  });

  test("cannot be read on the way", () => {
    const recipient = createRecipient();
    const fields = new Map([["api_secret", Secret.fromText(canary)] as const]);
    const sealed = sealFields(fields, recipient.publicKey);
    expect(Buffer.from(sealed).includes(canary)).toBe(false);
    // The control: the same search finds it where it is.
    expect(Buffer.from(`before${canary}after`).includes(canary)).toBe(true);
  });

  test("leave no neighbour's bytes in the message that is cloned", () => {
    const recipient = createRecipient();
    const sealed = sealFields(new Map([["api_key", Secret.fromText("k")]]), recipient.publicKey);
    expect(sealed.buffer.byteLength).toBe(sealed.byteLength);
  });

  test("are sealed with another key each time", () => {
    const recipient = createRecipient();
    const fields = new Map([["api_key", Secret.fromText("k")] as const]);
    expect(sealFields(fields, recipient.publicKey)).not.toEqual(sealFields(fields, recipient.publicKey));
  });

  test("open for the process they were sealed to and for no other", () => {
    const [one, other] = [createRecipient(), createRecipient()];
    const sealed = sealFields(new Map([["api_key", Secret.fromText("k")]]), one.publicKey);
    expect(() => other.open(sealed)).toThrow();
    expect(one.open(sealed).get("api_key")).toBe("k");
  });

  test("do not open when any byte was altered", () => {
    const recipient = createRecipient();
    const fields = new Map([["api_secret", Secret.take(randomBytes(32))] as const]);
    const sealed = sealFields(fields, recipient.publicKey);
    for (let index = 0; index < sealed.byteLength; index += 1) {
      const altered = Uint8Array.from(sealed);
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(() => recipient.open(altered), `byte ${index}`).toThrow();
    }
    expect(recipient.open(sealed).has("api_secret")).toBe(true);
  });

  test("stay the caller's: sealing neither disposes nor empties them", () => {
    const secret = Secret.fromText(canary);
    sealFields(new Map([["api_secret", secret]]), createRecipient().publicKey);
    expect(secret.expose((bytes) => Buffer.from(bytes).toString())).toBe(canary);
  });
});
