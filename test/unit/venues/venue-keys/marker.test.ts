import { assert, boolean, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import { passphraseOf } from "../../../../src/venues/process/manage-keys.ts";
import { isMarker, markerOf } from "../../../../src/venues/venue-keys.ts";

const issuers = [...exchangeTable.values()].flatMap(({ issuing }) => issuing ?? []);

describe("a marker", () => {
  test("is put on keys at six venues", () => {
    expect(issuers).toHaveLength(6);
  });

  test("is the same for the same intent, in every process and version", () => {
    expect(markerOf("b7a1f1de-3c5e-4b57-9d0c-0d3f6a3e8f11")).toBe("kh3l7nzsylv803zax9r7");
  });

  test("differs for different intents", () => {
    const markers = Array.from({ length: 10_000 }, (_, n) => markerOf(`intent ${n}`));
    expect(new Set(markers).size).toBe(10_000);
  });

  test("fits into the note of every venue, whatever the intent", () => {
    assert(
      property(string(), (intent) => {
        const marker = markerOf(intent);
        expect(marker).toMatch(/^[a-z][a-z0-9]{19}$/);
        for (const { longestMarker } of issuers) expect(isMarker(marker, longestMarker)).toBe(true);
      }),
    );
  });
});

describe("a passphrase", () => {
  const secret = "canary-parent-secret";

  test("is the same for the same parent and marker, in every process and version", () => {
    expect(passphraseOf(secret, "kh0rotation", false)).toBe("Kh1cjatejmd0qu44biahxf3ovmci");
  });

  test("is another for another parent and for another marker", () => {
    const passphrases = [
      passphraseOf(secret, "kh0rotation", false),
      passphraseOf(`${secret}2`, "kh0rotation", false),
      passphraseOf(secret, "kh0rotatiom", false),
    ];
    expect(new Set(passphrases).size).toBe(3);
  });

  test("has the characters that venues ask for, and fits into their length", () => {
    assert(
      property(string({ minLength: 1 }), string(), boolean(), (parent, marker, special) => {
        const passphrase = passphraseOf(parent, marker, special);
        expect(passphrase).toMatch(special ? /^Kh1[a-z\d]{25}!$/ : /^Kh1[a-z\d]{25}$/);
        expect(passphrase.length).toBeLessThanOrEqual(32);
      }),
    );
  });
});
