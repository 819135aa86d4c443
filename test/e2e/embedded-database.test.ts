import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { findPlace } from "../../src/db/embedded/place.ts";
import { readLock } from "../../src/db/embedded/recover.ts";
import { runCli } from "../../testkit/cli.ts";
import { type Service, startService } from "../../testkit/service.ts";
import { makeState } from "../../testkit/state.ts";

type Asked = Readonly<{ status: number; body: Readonly<Record<string, unknown>> }>;

async function ask({ url }: Service, token: string, name?: string): Promise<Asked> {
  const answer = await fetch(`${url}/api/v1/tenants`, {
    method: name === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(name === undefined
      ? {}
      : { body: JSON.stringify({ name, owner: { issuer: "urn:keyhold:local", subject: "o" } }) }),
  });
  return { status: answer.status, body: Object.assign({}, await answer.json()) };
}

/** Asks until `enough`; answers with all statuses on the way. */
async function statusesUntil(
  service: Service,
  token: string,
  enough: (status: number) => Promise<boolean>,
): Promise<readonly number[]> {
  const seen: number[] = [];
  for (;;) {
    const { status } = await ask(service, token);
    seen.push(status);
    if (await enough(status)) return seen;
    await sleep(10);
  }
}

test("A service answers 503 while its embedded database starts again, loses nothing, and ends with a sentence at the fourth time", async () => {
  await using state = await makeState();
  const settings = { KEYHOLD_FOLDER: state.folder, KEYHOLD_REQUESTS_PER_MINUTE: "1000000" };
  const service = await startService(settings);
  const { data } = await findPlace(state.folder);
  const token = (await runCli(["token", "--operator"], { environment: settings })).output.trim();
  expect(await ask(service, token, "kept")).toMatchObject({ status: 201 });
  for (let times = 0; times < 3; times += 1) {
    const pid = (await readLock(data))?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    const seen = await statusesUntil(
      service,
      token,
      async (status) => status === 200 && (await readLock(data))?.pid !== pid,
    );
    expect(seen.filter((status) => status !== 200 && status !== 503)).toEqual([]);
  }
  const { body } = await ask(service, token);
  expect(body).toMatchObject({ items: [{ name: "kept" }] });
  process.kill((await readLock(data))?.pid ?? 0, "SIGKILL");
  expect(await service.exitCode).toBe(1);
  expect(service.output()).toMatch(/^keyhold: The embedded PostgreSQL ended, and was started again 3 times/m);
});
