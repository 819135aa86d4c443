import { z } from "zod";
import type { Adapter, VenueCall } from "../adapter.ts";
import { type Dialect, type Interpretation, interpret, unknownMeaning } from "../interpret.ts";
import { marketRead } from "../massive-data.ts";
import { refusal } from "../outcomes.ts";

// massive.com (formerly polygon.io): REST authentication, "Market Status". Market data only: there is no account.

const error = z.looseObject({
  status: z.string(),
  error: z.string().optional(),
  message: z.string().optional(),
});

const dialect: Dialect = {
  error(json, status) {
    if (status < 400) return undefined;
    const { data } = error.safeParse(json);
    const text = data?.error ?? data?.message;
    return data && { code: data.status, ...(text === undefined ? {} : { text }) };
  },
  codes: {
    NOT_AUTHORIZED: {
      meaning: "insufficient_permission",
      hint: "The key works, but its plan does not include this call.",
    },
  },
  // A bearer token is all that is sent, and it is bound to no address.
  statuses: { 401: "bad_key" },
};

const marketStatus = z.looseObject({ market: z.string(), serverTime: z.string() });

const statusPath = "/v1/marketstatus/now";

async function ask(call: VenueCall, path: string): Promise<Interpretation> {
  const answer = await call.send({
    method: "GET",
    url: `https://api.massive.com${path}`,
    // Not as a query parameter, which would put the key into URLs.
    headers: { authorization: `Bearer ${call.fields.get("api_key") ?? ""}` },
  });
  return interpret(dialect, answer);
}

function showStatus(json: unknown): unknown {
  return { status: "ok", updated: Date.parse(marketStatus.parse(json).serverTime), info: json };
}

export const massive: Adapter = {
  description: {
    id: "massive",
    name: "Massive",
    environments: ["live"],
    fields: ["api_key"],
    provable: true,
    tells: { permissions: true, boundIps: false, expiry: false, account: false },
    risingNonce: false,
    clientOrderIds: false,
    operations: ["fetchStatus", "fetchTicker", "fetchOHLCV"],
  },
  async inspect(call) {
    const reading = await ask(call, statusPath);
    if (reading.kind !== "success") {
      const meaning = reading.kind === "known" ? reading.meaning : unknownMeaning(reading.said);
      return refusal(call.speaker, meaning, reading.said);
    }
    if (!marketStatus.safeParse(reading.json).success) return refusal(call.speaker, "unexpected_answer");
    return {
      outcome: "valid",
      // A vendor of data: there is nothing to trade with and nothing to take out.
      permissions: {
        read: "yes",
        trade: "no",
        withdraw: "no",
        transfer: "no",
        boundIps: null,
        unknownWords: [],
      },
      expiresAt: null,
      account: {},
    };
  },
  async invoke(call, invocation) {
    const read = marketRead(invocation, Date.now()) ?? { path: statusPath, show: showStatus };
    const reading = await ask(call, read.path);
    if (reading.kind === "known") return refusal(call.speaker, reading.meaning, reading.said);
    if (reading.kind === "refused") {
      return { outcome: "refused", message: `Massive: ${reading.said.text ?? "refused"}` };
    }
    try {
      return { outcome: "done", result: read.show(reading.json) };
    } catch (error) {
      if (error instanceof RangeError) return { outcome: "refused", message: `Massive: ${error.message}` };
      // Not the documented shape.
      return refusal(call.speaker, "unexpected_answer");
    }
  },
  async findOrder(call) {
    return refusal(call.speaker, "unexpected_answer", { hint: "It has no orders." });
  },
};
