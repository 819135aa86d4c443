import { createDecipheriv, createHash, createHmac, createSecretKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fingerprint, importDataKey, unwrapKey } from "../../../src/crypto/keys.ts";
import { unpackRecord } from "../../../src/crypto/packed-fields.ts";
import envelopes from "../../vectors/envelope/envelope-1.json" with { type: "json" };
import records from "../../vectors/envelope/record-1.json" with { type: "json" };
import wrappedKeys from "../../vectors/envelope/wrapped-key-1.json" with { type: "json" };
import { openText } from "./samples.ts";

/** Released vectors never change. A new layout adds a file, and its line here. */
const released: Readonly<Record<string, string>> = {
  "envelope-1.json": "7e6f3463f99090cfd5c48f9dabd50917efa3f84e8aadb24f4a753e49eaa08665",
  "record-1.json": "2d232fc5b069805ad4df07d180527c521a977729fd678727df30490aff870d10",
  "wrapped-key-1.json": "6626a64af75e489263655ddd20f8a919fdbedab21d09d1c5f64bc195b9ff2ad4",
};

test("the golden vectors are those that were released, to the byte", () => {
  const folder = new URL("../../vectors/envelope/", import.meta.url);
  const present = readdirSync(folder).map((name) => {
    const digest = createHash("sha256")
      .update(readFileSync(new URL(name, folder)))
      .digest("hex");
    return [name, digest] as const;
  });
  expect(Object.fromEntries(present)).toEqual(released);
});

for (const [index, vector] of envelopes.entries()) {
  const { dataKey, context, sealed, plaintext } = vector;
  const expected = Buffer.from(plaintext, "hex").toString();

  test(`golden envelope ${index + 1} opens`, () => {
    const key = importDataKey(dataKey.id, fromHex(dataKey.material));
    expect(openText(key, context, fromHex(sealed))).toBe(expected);
  });

  test(`golden envelope ${index + 1} is what FORMAT.md says`, () => {
    expect(readEnvelope(dataKey, context, fromHex(sealed))).toBe(expected);
  });
}

for (const { dataKey, context, fields, packed } of records) {
  test("the golden record unpacks, and each of its fields opens", () => {
    const key = importDataKey(dataKey.id, fromHex(dataKey.material));
    const opened = [...unpackRecord(fromHex(packed))].map(([field, sealed]) => [
      field,
      openText(key, { ...context, field }, sealed),
    ]);
    expect(Object.fromEntries(opened)).toEqual(fields);
  });

  test("the golden record is what FORMAT.md says", () => {
    const opened = readRecord(fromHex(packed)).map(([field, sealed]) => [
      field,
      readEnvelope(dataKey, { ...context, field }, sealed),
    ]);
    expect(Object.fromEntries(opened)).toEqual(fields);
  });
}

for (const [index, vector] of wrappedKeys.entries()) {
  const { keyEncryptionKey, context, dataKey, wrapped } = vector;

  test(`golden wrapped key ${index + 1} unwraps, and its key has the fingerprint it had`, () => {
    const material = fromHex(keyEncryptionKey);
    const wrappingKey = { id: fingerprint(material), key: createSecretKey(material) };
    expect(wrappingKey.id).toBe(vector.fingerprint);
    expect(unwrapKey(wrappingKey, context, fromHex(wrapped))?.toHex()).toBe(dataKey);
  });

  test(`golden wrapped key ${index + 1} is what FORMAT.md says`, () => {
    const key = fromHex(keyEncryptionKey);
    const label = Buffer.from("keyhold/key-fingerprint/1");
    const id = createHash("sha256")
      .update(Buffer.concat([label, key]))
      .digest("hex")
      .slice(0, 32);
    const bytes = fromHex(wrapped);
    const bound = lp("keyhold/wrapped-key/1", context.tenantId, context.dataKeyId, id);
    expect(bytes.toString("latin1", 0, 6)).toBe("KHWK\x01\x01");
    expect(openGcm(key, bytes.subarray(6, 18), bound, bytes.subarray(18)).toString("hex")).toBe(dataKey);
  });
}

// A second reader, written from FORMAT.md alone; it shares no code with the first.

type Context = { tenantId: string; credentialId: string; version: number; field: string };

function readEnvelope(dataKey: { id: string; material: string }, context: Context, bytes: Buffer): string {
  expect(bytes.toString("latin1", 0, 6)).toBe("KHEV\x01\x01");
  expect(bytes.toString("hex", 6, 22)).toBe(dataKey.id.replaceAll("-", ""));
  const { tenantId, credentialId, version, field } = context;
  const bound = lp("keyhold/envelope/1", tenantId, credentialId, String(version), field, dataKey.id);
  const derived = hkdfSha512(fromHex(dataKey.material), bytes.subarray(22, 54), bound);
  expect(derived.toString("hex", 32)).toBe(bytes.toString("hex", 54, 86));
  return openGcm(derived.subarray(0, 32), bytes.subarray(86, 98), bound, bytes.subarray(98)).toString();
}

function readRecord(bytes: Buffer): (readonly [string, Buffer])[] {
  expect(bytes.toString("latin1", 0, 5)).toBe("KHRC\x01");
  let at = 6;
  const fields = Array.from({ length: bytes.readUInt8(5) }, () => {
    const nameEnd = at + 1 + bytes.readUInt8(at);
    const name = bytes.toString("utf8", at + 1, nameEnd);
    at = nameEnd + 4 + bytes.readUInt32BE(nameEnd);
    return [name, bytes.subarray(nameEnd + 4, at)] as const;
  });
  expect(at).toBe(bytes.byteLength);
  return fields;
}

/** RFC 5869 with one block of output, which is the 64 bytes that an envelope needs. */
function hkdfSha512(key: Buffer, salt: Buffer, info: Buffer): Buffer {
  const extracted = createHmac("sha512", salt).update(key).digest();
  return createHmac("sha512", extracted)
    .update(info)
    .update(Buffer.from([1]))
    .digest();
}

function openGcm(key: Buffer, nonce: Buffer, bound: Buffer, encrypted: Buffer): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  decipher.setAAD(bound).setAuthTag(encrypted.subarray(-16));
  return Buffer.concat([decipher.update(encrypted.subarray(0, -16)), decipher.final()]);
}

function lp(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}

function fromHex(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}
