import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { assertFields, assertSomeFields, copyFields, OwnedFields } from "../../../src/credentials/secret.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { KeyholdError } from "../../../src/errors.ts";
import { ScriptedVenue } from "../../../testkit/scripted-venue.ts";
import { secretFields } from "../../../testkit/world.ts";

const venue = new ScriptedVenue().description;

function problemsOf(check: () => void): unknown {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    expect(error.code).toBe("malformed");
    return error.facts["errors"] ?? error.detail;
  }
}

const privateKey = (bits: number): string =>
  generateKeyPairSync("rsa", { modulusLength: bits }).privateKey.export({ format: "pem", type: "pkcs8" });
const pem = privateKey(2048).replaceAll("\n", "\r\n");
/** Whose API keys may be private keys. */
const signing = { ...venue, id: "binance" };

describe("the fields of a secret", () => {
  test.each([
    ["an empty value", "", "api_secret is empty"],
    ["a line break", "abc\ndef", "api_secret holds a line break or another control character"],
    ["a NUL", "abc\0def", "api_secret holds a line break or another control character"],
    ["a tab", "abc\tdef", "api_secret holds a line break or another control character"],
    ["a delete character", "abc\u007Fdef", "api_secret holds characters other than ASCII"],
    ["letters that are not ASCII", "geheimß", "api_secret holds characters other than ASCII"],
    ["an emoji", "😀", "api_secret holds characters other than ASCII"],
    ["a space before it", " abc", "api_secret begins or ends with a space"],
    ["a space after it", "abc ", "api_secret begins or ends with a space"],
    ["more than 8192 bytes", "x".repeat(8193), "api_secret is longer than 8192 bytes"],
    [
      "a text that is longer than a shared secret",
      "x".repeat(1025),
      "api_secret is longer than 1024 bytes and is no private key that is taken",
    ],
    [
      "a private key of a size that no venue asks for",
      privateKey(1536),
      "api_secret is an RSA key of another size than 2048 to 4096 bits with a public exponent below 2^32",
    ],
    [
      "a private key where the venue takes none",
      pem,
      "api_secret is a private key, which this field does not take",
    ],
  ])("%s is refused by name, and the value is not repeated", (_, value, problem) => {
    const fields = secretFields({ api_key: "key", api_secret: value });
    expect(problemsOf(() => assertFields(venue, fields))).toEqual([problem]);
  });

  test.each([
    ["one of 1024 bytes", "x".repeat(1024)],
    ["one with spaces inside", "correct horse battery"],
    ["every printable character", String.fromCodePoint(...Array.from({ length: 93 }, (_, n) => 0x21 + n))],
  ])("%s is taken", (_, value) => {
    expect(
      problemsOf(() => assertFields(venue, secretFields({ api_key: "key", api_secret: value }))),
    ).toEqual([]);
  });

  test.each([
    ["with its line breaks", pem],
    ["behind other text", `key ${pem}`],
    ["with a note in other letters than ASCII", `${pem}Schlüssel für den Handel`],
  ])("a private key %s is taken where the venue takes one", (_, value) => {
    const fields = secretFields({ api_key: "key", api_secret: value });
    expect(problemsOf(() => assertFields(signing, fields))).toEqual([]);
  });

  test("what is missing and what is not used are told at once", () => {
    const fields = secretFields({ api_key: "key", passphrase: "words" });
    expect(problemsOf(() => assertFields(venue, fields))).toEqual([
      "api_secret is missing",
      "passphrase is not used here",
    ]);
  });

  test("a part of the fields will do for a replacement, but not none and no other", () => {
    const check = (fields: Record<string, string>) =>
      problemsOf(() => assertSomeFields(venue, secretFields(fields)));
    expect(check({ api_secret: "secret" })).toEqual([]);
    expect(check({ api_secret: "secret", uid: "7" })).toEqual(["uid is not used here"]);
    expect(check({ api_secret: "" })).toEqual(["api_secret is empty"]);
    expect(check({})).toBe("Send at least one of the fields that Scripted uses.");
    expect(check({ uid: "7" })).toBe("Send at least one of the fields that Scripted uses.");
  });

  test("owned fields end together, and copies live on", () => {
    const fields = new OwnedFields([["api_key", Secret.fromText("key")]]);
    const copies = copyFields(fields);
    fields[Symbol.dispose]();
    expect([...fields.values()].map(({ disposed }) => disposed)).toEqual([true]);
    expect(copies.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString())).toBe("key");
    copies[Symbol.dispose]();
    expect(copies.get("api_key")?.disposed).toBe(true);
  });
});
