import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";

describe("massive", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const ask = async (headers: Record<string, string> = {}, query = "") => {
    const answer = await fetch(`${simulator.url("massive")}/v1/marketstatus/now${query}`, { headers });
    const body: unknown = await answer.json();
    return [answer.status, body];
  };
  const bearer = (apiKey: string) => ({ authorization: `Bearer ${apiKey}` });

  test("takes its key from the header or from the query", async () => {
    const { apiKey } = simulator.control.addKey("massive");
    expect(await ask(bearer(apiKey))).toMatchObject([200, { market: "open" }]);
    expect(await ask({}, `?apiKey=${apiKey}`)).toMatchObject([200, { market: "open" }]);
  });

  test("tells a missing key from a wrong one, and a wrong one from a plan that does not reach", async () => {
    const { apiKey } = simulator.control.addKey("massive");
    expect(await ask()).toMatchObject([401, { error: "API Key was not provided" }]);
    expect(await ask(bearer(`${apiKey}x`))).toMatchObject([401, { error: "Unknown API Key" }]);
    simulator.control.setPermissions("massive", apiKey, { read: false });
    expect(await ask(bearer(apiKey))).toMatchObject([403, { status: "NOT_AUTHORIZED" }]);
    simulator.control.revokeKey("massive", apiKey);
    expect(await ask(bearer(apiKey))).toMatchObject([401, { error: "Unknown API Key" }]);
  });

  test("limits its rate when it is told to", async () => {
    const { apiKey } = simulator.control.addKey("massive");
    simulator.control.fail("massive", { kind: "refuse", reason: "rate_limited" }, { times: 1 });
    expect(await ask(bearer(apiKey))).toMatchObject([429, { status: "ERROR" }]);
    expect(await ask(bearer(apiKey))).toMatchObject([200, {}]);
  });
});
