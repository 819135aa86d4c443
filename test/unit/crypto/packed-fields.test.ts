import * as fc from "fast-check";
import { expect, expectTypeOf, test } from "vitest";
import { EnvelopeError, seal, type Sealed } from "../../../src/crypto/envelope.ts";
import { generateDataKey } from "../../../src/crypto/keys.ts";
import { type PackedRecord, packRecord, unpackRecord } from "../../../src/crypto/packed-fields.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { failureOf, openText, someContext } from "./samples.ts";

const key = generateDataKey();
const context = someContext();

function sealField(field: string, text = `the ${field}`): Sealed {
  using plaintext = Secret.fromText(text);
  return seal(key, { ...context, field }, plaintext);
}

function fieldsOf(names: readonly string[]): Map<string, Sealed> {
  return new Map(names.map((name) => [name, sealField(name)]));
}

test("unpacking inverts packing, and every field opens", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9_]{0,63}$/), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(names, (chosen) => {
      const unpacked = unpackRecord(packRecord(fieldsOf(chosen)));
      expect([...unpacked.keys()]).toEqual([...chosen].toSorted());
      for (const [field, sealed] of unpacked) {
        expect(openText(key, { ...context, field }, sealed)).toBe(`the ${field}`);
      }
    }),
  );
});

test("a record holds up to 255 fields", () => {
  const names = Array.from({ length: 255 }, (_, index) => `field_${index}`);
  expect(unpackRecord(packRecord(fieldsOf(names))).size).toBe(255);
  expect(() => packRecord(fieldsOf([...names, "one_more"]))).toThrow(TypeError);
});

test("the order in which fields were set does not show in the bytes", () => {
  const fields = fieldsOf(["api_key", "api_secret", "passphrase"]);
  expect(packRecord(new Map([...fields].toReversed()))).toEqual(packRecord(fields));
});

test("no fields, and names that are no field names, are not packed", () => {
  expect(() => packRecord(new Map())).toThrow(TypeError);
  for (const name of ["", "API_KEY", "api-key", "schlüssel", "a".repeat(65)]) {
    expect(() => packRecord(new Map([[name, sealField("api_key")]]))).toThrow(TypeError);
  }
});

test("fields that changed places within a record do not open", () => {
  const { api_key, api_secret } = { api_key: sealField("api_key"), api_secret: sealField("api_secret") };
  const swapped = unpackRecord(
    packRecord(
      new Map([
        ["api_key", api_secret],
        ["api_secret", api_key],
      ]),
    ),
  );
  for (const [field, sealed] of swapped) {
    expect(failureOf(() => openText(key, { ...context, field }, sealed))).toBeInstanceOf(EnvelopeError);
  }
});

test("a record cut anywhere, or with a byte after its end, is refused", () => {
  const packed = packRecord(fieldsOf(["api_key", "api_secret"]));
  for (let length = 0; length < packed.byteLength; length += 1) {
    expect(() => unpackRecord(packed.subarray(0, length))).toThrow(EnvelopeError);
  }
  expect(() => unpackRecord(Buffer.concat([packed, Buffer.alloc(1)]))).toThrow(EnvelopeError);
  expect(unpackRecord(packed).size).toBe(2);
});

test("no flip of a single bit gives a record whose fields all open as before", () => {
  const packed = Buffer.from(packRecord(fieldsOf(["api_key", "api_secret"])));
  const opens = () => {
    const fields = unpackRecord(packed);
    for (const field of ["api_key", "api_secret"]) {
      const sealed = fields.get(field);
      if (sealed === undefined) throw new EnvelopeError();
      openText(key, { ...context, field }, sealed);
    }
  };
  expect(failureOf(opens)).toBeUndefined();
  for (let bit = 0; bit < packed.byteLength * 8; bit += 1) {
    const flip = () => packed.writeUInt8(packed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    flip();
    expect(failureOf(opens)).toBeInstanceOf(EnvelopeError);
    flip();
  }
});

test("a record in another spelling is refused: names out of order, a name twice, no field, another format", () => {
  const one = entry("api_key");
  const two = entry("api_secret");
  const head = (count: number) => Buffer.from([...Buffer.from("KHRC"), 1, count]);
  expect(unpackRecord(Buffer.concat([head(2), one, two])).size).toBe(2);
  const strange = [
    [head(2), two, one],
    [head(2), one, one],
    [head(0)],
    [head(1), one, two],
    [head(3), one, two],
    [head(1), entry("API_KEY")],
    [Buffer.from("KHRC\x02\x01", "latin1"), one],
    [Buffer.from("KHRX\x01\x01", "latin1"), one],
  ];
  for (const parts of strange) expect(() => unpackRecord(Buffer.concat(parts))).toThrow(EnvelopeError);
});

/** One field as FORMAT.md describes it. */
function entry(name: string): Buffer {
  const sealed = sealField("api_key");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sealed.byteLength);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, sealed]);
}

test("bytes do not pass for a packed record when compiled", () => {
  expectTypeOf<Uint8Array>().not.toExtend<PackedRecord>();
  expectTypeOf<Sealed>().not.toExtend<PackedRecord>();
  expectTypeOf<PackedRecord>().not.toExtend<Sealed>();
  expectTypeOf<ReadonlyMap<string, Uint8Array>>().not.toExtend<Parameters<typeof packRecord>[0]>();
});
