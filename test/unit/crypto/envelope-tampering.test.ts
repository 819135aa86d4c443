import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { EnvelopeError, seal, type SealContext, type Sealed } from "../../../src/crypto/envelope.ts";
import { generateDataKey } from "../../../src/crypto/keys.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { failureOf, openText, someContext } from "./samples.ts";

const key = generateDataKey();
const context = someContext();
const envelopes = [0, 32, 150].map((size) => {
  using plaintext = Secret.take(Buffer.alloc(size, "secret "));
  return { size, sealed: seal(key, context, plaintext) };
});

/** How opening altered bytes fails, so that all failures can be compared to the letter. */
function outcome(bytes: Uint8Array): string {
  const failure = failureOf(() => openText(key, context, bytes));
  return failure instanceof Error ? describe(failure) : "opened";
}

function describe(failure: Error): string {
  return [failure.name, failure.message, Object.keys(failure), inspect(failure.cause)].join("|");
}

const refused = describe(new EnvelopeError());

test("control: the unaltered envelopes open", () => {
  expect(envelopes.map(({ sealed }) => outcome(sealed))).toEqual(["opened", "opened", "opened"]);
});

test("every flip of a single bit is refused, and every refusal is the same", () => {
  const outcomes = new Map<string, number>();
  for (const { sealed } of envelopes) {
    const bytes = Buffer.from(sealed);
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      flip(bytes, bit);
      const found = outcome(bytes);
      outcomes.set(found, (outcomes.get(found) ?? 0) + 1);
      flip(bytes, bit);
    }
  }
  const bits = envelopes.reduce((sum, { sealed }) => sum + sealed.byteLength * 8, 0);
  expect(bits).toBeGreaterThan(4_000);
  expect([...outcomes]).toEqual([[refused, bits]]);
});

test("every truncation at either end, and every extension, is refused in the same way", () => {
  for (const { sealed } of envelopes) {
    const outcomes = new Set<string>();
    for (let length = 0; length < sealed.byteLength; length += 1) {
      outcomes.add(outcome(sealed.subarray(0, length)));
      outcomes.add(outcome(sealed.subarray(sealed.byteLength - length)));
    }
    outcomes.add(outcome(Buffer.concat([sealed, Buffer.alloc(1)])));
    outcomes.add(outcome(Buffer.concat([Buffer.alloc(1), sealed])));
    expect([...outcomes]).toEqual([refused]);
  }
});

test("parts of two envelopes of one key and context do not make a third", () => {
  using plaintext = Secret.take(Buffer.alloc(32, "secret "));
  const [one, two] = [seal(key, context, plaintext), seal(key, context, plaintext)];
  for (const [from, to] of [
    [22, 54],
    [54, 86],
    [22, 86],
    [86, 98],
    [98, one.byteLength - 16],
    [one.byteLength - 16, one.byteLength],
    [98, one.byteLength],
  ] as const) {
    const mixed = Buffer.from(one);
    mixed.set(two.subarray(from, to), from);
    expect(outcome(mixed)).toBe(refused);
  }
});

/** Ten credentials of five fields: rows among which ciphertexts could be moved. */
const rows: readonly { context: SealContext; sealed: Sealed; bare: Buffer }[] = Array.from(
  { length: 50 },
  (_, index) => {
    const credentialId = randomUUID();
    const rowContext = { ...context, credentialId, version: index % 3, field: `field_${index % 5}` };
    using plaintext = Secret.fromText(`secret of row ${index}`);
    return {
      context: rowContext,
      sealed: seal(key, rowContext, plaintext),
      bare: plaintext.expose((bytes) => sealBare(bytes)),
    };
  },
);

test("none of the 2,450 swaps among 50 records opens; each opens in its own place", () => {
  let refusals = 0;
  for (const [to, { context: place }] of rows.entries()) {
    for (const [from, { sealed }] of rows.entries()) {
      const failure = failureOf(() => openText(key, place, sealed));
      if (from === to) expect(failure).toBeUndefined();
      else if (failure instanceof EnvelopeError) refusals += 1;
    }
  }
  expect(refusals).toBe(2_450);
});

test("control: under AES-GCM with the same key but nothing bound, all 2,450 swaps open", () => {
  let opened = 0;
  for (const to of rows.keys()) {
    for (const [from, { bare }] of rows.entries()) {
      if (from !== to && openBare(bare) === `secret of row ${from}`) opened += 1;
    }
  }
  expect(opened).toBe(2_450);
});

function sealBare(plaintext: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key.key, nonce);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function openBare(bare: Buffer): string {
  const decipher = createDecipheriv("aes-256-gcm", key.key, bare.subarray(0, 12));
  decipher.setAuthTag(bare.subarray(-16));
  return Buffer.concat([decipher.update(bare.subarray(12, -16)), decipher.final()]).toString();
}

function flip(bytes: Buffer, bit: number): void {
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
}
