import { createServer } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues } from "../../../../src/venues/index.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, performerAt } from "../samples.ts";

let venue: Loopback;

beforeAll(async () => {
  venue = await Loopback.start();
});
beforeEach(() => venue.forget());
afterAll(() => venue[Symbol.asyncDispose]());

const params = { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "1", price: "2" };
const stockOrder = { ...params, symbol: "AAPL" };

function place(at: string, name: string, terms: Record<string, unknown>, timeoutMs = 2000) {
  const invocation = { operation: "createOrder", params: terms, clientOrderId: "0".repeat(32) };
  const job = { venue: name, environment: "live", verb: "invoke", invocation } as const;
  return performerAt(at, { timeoutMs })(job, credentialsOf(name));
}

/** A port at which nobody listens. */
async function deafUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" ? `http://127.0.0.1:${address?.port}` : "";
}

describe("an order is known not to have been sent", () => {
  test("where no connection could be made", async () => {
    const answer = await place(await deafUrl(), "alpaca", stockOrder);
    expect(answer).toMatchObject({ outcome: "venue_unavailable", unsent: true });
  });

  test.each([
    ["is refused", 500],
    ["is not one", 200],
  ])("where the market list %s", async (_, status) => {
    venue.reply((_request, response) => void response.writeHead(status).end("{}"));
    const answer = await place(venue.url, "binance", params);
    expect(answer).toMatchObject({ unsent: true });
    expect(venue.received.filter(({ method }) => method === "POST")).toEqual([]);
  });

  test("where the venue's terms do not allow it", async () => {
    expect(await place(venue.url, "alpaca", { ...stockOrder, postOnly: true })).toMatchObject({
      outcome: "refused",
      unsent: true,
    });
  });

  test("where the venue processes are stopped, or the secret is not what the venue asks for", async () => {
    const venues = createVenues();
    const alpaca = venues.get("alpaca");
    if (alpaca === undefined) throw new Error("no such venue");
    const key = new Map([["api_key", Secret.fromText("key")] as const]);
    const invocation = { operation: "createOrder", params: stockOrder };
    const incomplete = await alpaca.invoke(
      { tenantId: "tenant", environment: "live", fields: key },
      invocation,
    );
    expect(incomplete).toMatchObject({ outcome: "rejected", unsent: true });
    await venues.close();
    const fields = new Map([...key, ["api_secret", Secret.fromText("secret")] as const]);
    const closed = await alpaca.invoke({ tenantId: "tenant", environment: "live", fields }, invocation);
    expect(closed).toMatchObject({ outcome: "venue_unavailable", unsent: true });
  });
});

describe("an order may have been sent (control)", () => {
  test.each([
    ["the connection breaks after the first byte", "break"],
    ["the venue does not answer in time", "hang"],
    ["the venue answers with a page", "page"],
  ])("where %s", async (_, how) => {
    venue.reply((_request, response) => {
      if (how === "break") response.destroy();
      if (how === "page") response.end("<html></html>");
    });
    const answer = await place(venue.url, "alpaca", stockOrder, how === "hang" ? 300 : 2000);
    expect(answer).not.toHaveProperty("unsent");
    expect(venue.received).toHaveLength(1);
  });
});
