import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createScrubber } from "../../../../src/venues/process/perform.ts";

const secret = `s3cr+t/${randomBytes(8).toString("hex")}==`;
const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\nabc\n-----END EC PRIVATE KEY-----\n";
const scrub = createScrubber([secret, pem, "abc"]);

describe("what leaves a venue process", () => {
  test.each([
    ["as it is", secret],
    ["as a URL writes it", encodeURIComponent(secret)],
    ["as JSON writes it", JSON.stringify(pem)],
    ["in base64", Buffer.from(secret).toString("base64")],
  ])("holds no secret %s", (_name, form) => {
    const control = createScrubber([]).text(`bad key <${form}> here`);
    expect(control).toContain(form.slice(0, 12));
    const clean = scrub.text(`bad key <${form}> here`);
    expect(clean).not.toContain(form.slice(0, 12));
    expect(clean).toMatch(/^bad key <.*> here$/s);
  });

  test("holds no query of a URL", () => {
    const text = "GET https://api.example.com/v1/x?apiKey=1&signature=2 400 Bad Request";
    expect(scrub.text(text)).toBe("GET https://api.example.com/v1/x 400 Bad Request");
  });

  test.each([
    ["hexadecimal", randomBytes(32).toString("hex")],
    ["base64", randomBytes(64).toString("base64")],
  ])("holds no signature in %s", (_name, signature) => {
    expect(scrub.text(`expected ${signature} there`)).toBe("expected [removed] there");
  });

  test("keeps a UUID, an order number and plain words", () => {
    const text = "order 0191d4de-1f2a-7c3b-9a4d-5e6f70819203 (1234567890123456789) not found";
    expect(scrub.text(text)).toBe(text);
  });

  test("is not endless", () => {
    expect(scrub.text("word ".repeat(1000))).toHaveLength(500);
  });

  test("holds no secret anywhere in a result, and loses nothing else", () => {
    const result = { info: { echo: secret, list: [`key=${secret}`], n: 1, nothing: null }, abc: "abc" };
    expect(scrub.value(result)).toEqual({
      info: { echo: "[removed]", list: ["key=[removed]"], n: 1, nothing: null },
      abc: "abc",
    });
    expect(createScrubber([]).value(result)).toEqual(result);
  });

  test("keeps prices and ids that hold the digits of a short passphrase", () => {
    const numeric = createScrubber(["2026113", secret]);
    const order = { id: "4420261139", price: "20261.13", info: { ts: "2026113000" }, echo: secret };
    expect(numeric.value(order)).toEqual({ ...order, echo: "[removed]" });
    expect(numeric.text("wrong passphrase 2026113"), "a message is masked").toBe(
      "wrong passphrase [removed]",
    );
  });

  test("is plain JSON", () => {
    expect(scrub.value(undefined)).toBeNull();
    expect(scrub.value({ gone: undefined, call: () => 1, kept: 0 })).toEqual({ kept: 0 });
  });
});
