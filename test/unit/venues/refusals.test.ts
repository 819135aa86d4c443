import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Loopback } from "./loopback.ts";
import { refusals } from "./refusals.ts";
import { inspectAt, performerAt, type Perform } from "./samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url, { egressAddresses: ["192.0.2.7", "192.0.2.8"] });
});

afterAll(() => venue[Symbol.asyncDispose]());

const bodyText = (body: unknown): string => (typeof body === "string" ? body : JSON.stringify(body));

describe("the venue's own words decide what a refusal means", () => {
  test.each(refusals.map((it) => [it.venue, it.status, bodyText(it.body), it.means] as const))(
    "%s: %i %s means %s",
    async (id, status, body, means) => {
      venue.say({ status, body });
      const verdict = await inspectAt(perform, id);
      const meaning = verdict.outcome === "rejected" ? verdict.reason : verdict.outcome;
      expect(meaning).toBe(means);
    },
  );

  test("an address that is refused is answered with the addresses to allow", async () => {
    venue.sayJson({ code: "50110", msg: "Your IP is not included", data: [] }, 401);
    const verdict = await inspectAt(perform, "okx");
    expect(verdict).toMatchObject({
      outcome: "ip_not_allowed",
      message:
        "OKX: the API key may not be used from this address. Allow 192.0.2.7, 192.0.2.8 at the venue. It said: Your IP is not included (50110).",
    });
  });

  test("a code that covers several faults is told with each of them, and with the addresses to allow", async () => {
    venue.sayJson({ code: -2015, msg: "Invalid API-key, IP, or permissions for action." }, 401);
    expect(await inspectAt(perform, "binance")).toEqual({
      outcome: "ambiguous",
      causes: ["key", "permission", "address"],
      message:
        "Binance: the request is unauthorized, and the venue does not say why. Possible causes: the API key is invalid or was deleted; the API key lacks a permission; the API key may not be used from this address. Allow 192.0.2.7, 192.0.2.8 at the venue. It said: Invalid API-key, IP, or permissions for action (-2015). If it is a key of Binance US (binanceus) or Tokocrypto (tokocrypto), register it there.",
    });
  });

  test("a passphrase that is wrong is called that, and not a wrong secret", async () => {
    venue.sayJson({ code: "400004", msg: "Invalid KC-API-PASSPHRASE" }, 401);
    const verdict = await inspectAt(perform, "kucoin");
    expect(verdict).toMatchObject({ outcome: "rejected", reason: "bad_passphrase" });
    expect(verdict.outcome === "valid" ? "" : verdict.message).toMatch(/passphrase is invalid/);
    expect(verdict.outcome === "valid" ? "" : verdict.message).not.toMatch(/secret|signature/);
  });

  test("a gateway's page keeps its words, without markup and without the request that it repeats", async () => {
    const page = `<html><head><style>h1 {}</style><title>Denied</title></head><body>
      <h1>The region of this address is not served.</h1> You asked for https://api.mexc.com/?signature=0123 here.</body></html>`;
    venue.say({ status: 403, body: page });
    const verdict = await inspectAt(perform, "mexc");
    expect(verdict).toMatchObject({
      outcome: "blocked",
      message: expect.stringContaining("Denied The region of this address is not served"),
    });
    expect(JSON.stringify(verdict)).not.toContain("signature");
  });

  test.each([
    ["behind", -300_000],
    ["ahead", 300_000],
  ])("a refusal while the venue's clock is far %s ours proves nothing of a key", async (_where, skew) => {
    const date = new Date(Date.now() + skew).toUTCString();
    venue.say({ status: 401, headers: { date }, body: "Unauthorized" });
    expect(await inspectAt(perform, "coinbase"), "its code covers the clock").toMatchObject({
      outcome: "clock_skew",
    });
    expect(await inspectAt(perform, "alpaca")).toMatchObject({ outcome: "rejected", clockOff: true });
    const near = new Date(Date.now() + Math.sign(skew) * 8000).toUTCString();
    venue.say({ status: 401, headers: { date: near }, body: "Unauthorized" });
    expect(await inspectAt(perform, "coinbase"), "the control").toMatchObject({ outcome: "ambiguous" });
    expect(await inspectAt(perform, "alpaca")).not.toHaveProperty("clockOff");
  });
});
