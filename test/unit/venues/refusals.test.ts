import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Perform } from "../../../src/venues/perform.ts";
import { Loopback } from "./loopback.ts";
import { refusals } from "./refusals.ts";
import { inspectAt, performerAt } from "./samples.ts";

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

  test("Binance's one code for three faults is passed on as such", async () => {
    venue.sayJson({ code: -2015, msg: "Invalid API-key, IP, or permissions for action." }, 401);
    const verdict = await inspectAt(perform, "binance");
    expect(verdict).toMatchObject({
      outcome: "rejected",
      reason: "bad_key",
      message:
        "Binance: the API key is invalid or unauthorized. Binance does not say whether the key, the address or a permission is at fault. Allow 192.0.2.7, 192.0.2.8 at the venue. It said: Invalid API-key, IP, or permissions for action (-2015).",
    });
  });
});
